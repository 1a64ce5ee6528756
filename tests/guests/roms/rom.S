# Boot ROMs of one page for bhyve, each of which does one thing: what the guests of tests/fixtures/freebsd-12.1 do.
#
#   poweroff   powers off (ACPI S5)                    reset      resets (port 0xcf9)
#   halt       cli; hlt                                triple     makes a triple fault
#   spin       runs, without ACPI                      deaf       switches ACPI on and ignores the power button
#   acpi       switches ACPI on and powers off when the power button is pressed
#   hello      writes "hello from guest" on COM1 and powers off; helloacpi then is as acpi
#   echo       writes back what it reads on COM1; p powers off, r resets
#
# The registers are those of bhyve (usr.sbin/bhyve: acpi.h, pm.c, uart_emul.c): PM1a at 0x400, SMI_CMD 0xb2, SLP_TYP 5.
# A processor starts at 0xfffffff0 with CS at 0xffff0000; the ROM ends at 4G, so that its first byte is 0xf000 of that
# segment. There the line `guest NAME` says what it is. It uses no memory and no stack.
#
# tools/roms.sh assembles them into roms.txt:
#
#   as --32 --defsym acpi=1 -o acpi.o rom.S
#   ld -m elf_i386 -Ttext 0xf000 --oformat binary -o acpi.rom acpi.o

        .set    COM1, 0x3f8             # UART: data
        .set    LINE, 0x3fd             #   line status
        .set    READY, 0x01             #   a byte has come
        .set    EMPTY, 0x20             #   a byte can be sent
        .set    RESET, 0xcf9            # reset control; 6 is a full reset
        .set    PM_STATUS, 0x400        # ACPI PM1a: what has happened
        .set    PM_ENABLE, 0x402        #   what is noticed at all
        .set    BUTTON, 0x01            #   the power button, in its upper byte
        .set    PM_CONTROL, 0x404       #   SLP_EN and SLP_TYP
        .set    OFF, 0x3400             #   5 << 10 and SLP_EN: soft off
        .set    SMI, 0xb2               # who writes ENABLE here switches ACPI on
        .set    ENABLE, 0xa0

        .macro  name what
        .ifdef  \what
        .ascii  "guest \what\n"
        .endif
        .endm

        .code16
        .text
        .globl  _start
        .irp    what, poweroff, reset, halt, triple, spin, acpi, deaf, hello, helloacpi, echo
        name    \what
        .endr

        .org    0xe00
main:
        .ifdef  halt
        cli
        hlt
        .endif
        .ifdef  triple
        lidtl   %cs:none                # no interrupt has a handler
        int3
        .endif
        .ifdef  spin
        jmp     .
        .endif
        .ifdef  deaf
        movb    $ENABLE, %al
        outb    %al, $SMI
        jmp     .
        .endif
        .ifdef  reset
        jmp     restart
        .endif
        .ifdef  poweroff
        jmp     off
        .endif
        .ifdef  hello
        .set    speaks, 1
        .endif
        .ifdef  helloacpi
        .set    speaks, 1
        .set    acpi, 1
        .endif
        .ifdef  speaks
        movw    $words, %si
1:      movw    $LINE, %dx
        inb     %dx, %al
        testb   $EMPTY, %al
        jz      1b
        movb    %cs:(%si), %al
        testb   %al, %al
        jz      2f
        movw    $COM1, %dx
        outb    %al, %dx
        incw    %si
        jmp     1b
2:
        .endif
        .ifdef  acpi
        movb    $ENABLE, %al
        outb    %al, $SMI
        movw    $PM_ENABLE, %dx         # bhyve tells of the button without it, QEMU does not
        movw    $BUTTON << 8, %ax
        outw    %ax, %dx
        movw    $PM_STATUS, %dx
pressed:
        movl    $0x100000, %ecx         # not to leave the guest for every look
2:      pause
        loopl   2b
        inw     %dx, %ax
        testb   $BUTTON, %ah
        jz      pressed
        jmp     off
        .endif
        .ifdef  echo
next:
        movw    $LINE, %dx
        inb     %dx, %al
        testb   $READY, %al
        jz      next
        movw    $COM1, %dx
        inb     %dx, %al
        cmpb    $'p', %al
        je      off
        cmpb    $'r', %al
        je      restart
        outb    %al, %dx
        jmp     next
        .endif
off:
        movw    $PM_CONTROL, %dx
        movw    $OFF, %ax
        outw    %ax, %dx
        jmp     .
restart:
        movw    $RESET, %dx
        movb    $6, %al
        outb    %al, %dx
        jmp     .
none:
        .word   0, 0, 0
words:
        .asciz  "hello from guest\r\n"

        .org    0xff0
_start: # where the processor begins
        jmp     main
        .org    0x1000
