# A guest of one sector, for the tests that run a real machine: it boots in a tenth of
# a second and ends in the way that it is told to.
#
# Sector 0 of its disk is this program, the first byte of sector 1 is its order.  It
# says "vmrun test guest: " and the order on COM1, and then
#
#   P  powers off
#   R  writes P into its order and resets, so that the next boot powers off
#   T  makes a triple fault
#   H  halts for ever, with interrupts off: deaf to everything but the end of the process
#   W  waits for ever, with interrupts on: runs, but does not know the power button
#   B  waits for the power button and then powers off
#   E  reads a line from COM1, says it again and powers off
#
# and powers off at any other order, as it does when it cannot read its disk ("!").
#
# It wants a PC BIOS (SeaBIOS) and the power management of QEMU's q35, whose registers
# SeaBIOS puts at 0x600.  It goes into a disk image so:
#
#   as --32 -o bootsector.o bootsector.S
#   ld -m elf_i386 -Ttext 0x7c00 --oformat binary -o bootsector.bin bootsector.o
#   { cat bootsector.bin; printf R; } >disk.img
#   truncate -s 1M disk.img
#
# The disk has to have a cylinder (516096 bytes) for SeaBIOS to boot from it.  Any kind
# will do: virtio-blk, NVMe, AHCI.

        .set    COM1, 0x3f8             # UART: data; +5 line status
        .set    READY, 0x01             #   a byte has come
        .set    EMPTY, 0x20             #   a byte can be sent
        .set    RESET, 0xcf9            # reset control; 6 is a full reset
        .set    PM_STATUS, 0x600        # ACPI PM1a: what has happened
        .set    PM_ENABLE, 0x602        #   what is noticed at all
        .set    PM_CONTROL, 0x604       #   SLP_EN and, in q35, SLP_TYP 0: soft off
        .set    BUTTON, 0x100           # the power button, in the first two
        .set    OFF, 0x2000
        .set    order, 0x7e00           # sector 1 is read to just behind this one
        .set    line, 0x8000            # the line that E reads

        .code16
        .text
        .globl  _start
_start:
        ljmp    $0, $main               # some BIOSes start at 07c0:0000
main:
        xorw    %ax, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        movw    $_start, %sp
        movb    %dl, drive
        movb    $'!', order             # stays if the disk cannot be read
        movb    $0x42, %ah
        call    disk
        cmpb    $'B', order
        jne     1f
        movw    $PM_ENABLE, %dx         # before it is heard of
        movw    $BUTTON, %ax
        outw    %ax, %dx
1:
        movw    $greeting, %si
        call    print
        movb    order, %al
        call    put
        movw    $newline, %si
        call    print

        movb    order, %al
        cmpb    $'R', %al
        je      again
        cmpb    $'T', %al
        je      fault
        cmpb    $'H', %al
        je      halt
        cmpb    $'W', %al
        je      wait
        cmpb    $'B', %al
        je      button
        cmpb    $'E', %al
        je      echo

off:
        movw    $PM_CONTROL, %dx
        movw    $OFF, %ax
        outw    %ax, %dx
        jmp     halt

again:
        movb    $'P', order
        movb    $0x43, %ah
        call    disk
        movw    $RESET, %dx
        movb    $6, %al
        outb    %al, %dx
        # and, should that do nothing:
halt:
        cli
        hlt
        jmp     halt

fault:
        lidt    no_handlers             # the breakpoint finds no handler, nor does
        int3                            # the fault of that, nor the one of that

wait:
        sti
        hlt
        jmp     wait

button:
        movw    $PM_STATUS, %dx
1:
        sti
        hlt                             # the timer wakes it 18 times a second
        inw     %dx, %ax
        testw   $BUTTON, %ax
        jz      1b
        jmp     off

echo:
        movw    $line, %di
1:
        movw    $COM1 + 5, %dx
        inb     %dx, %al
        testb   $READY, %al
        jz      1b
        movw    $COM1, %dx
        inb     %dx, %al
        cmpb    $'\r', %al
        je      2f
        cmpb    $'\n', %al
        je      2f
        stosb
        jmp     1b
2:
        movb    $0, (%di)
        movw    $line, %si
        call    print
        movw    $newline, %si
        call    print
        jmp     off

# Reads (%ah is 0x42) or writes (0x43) the sector of the order.
disk:
        movb    $0, %al
        movb    drive, %dl
        movw    $packet, %si
        int     $0x13
        ret

# Says the text at %si, which ends with a zero.
print:
        lodsb
        testb   %al, %al
        jz      1f
        call    put
        jmp     print
1:
        ret

# Says %al.
put:
        movb    %al, %ah
        movw    $COM1 + 5, %dx
1:
        inb     %dx, %al
        testb   $EMPTY, %al
        jz      1b
        movw    $COM1, %dx
        movb    %ah, %al
        outb    %al, %dx
        ret

greeting:
        .asciz  "vmrun test guest: "
newline:
        .asciz  "\r\n"
drive:
        .byte   0
packet:                                 # for INT 13h: one sector, from sector 1
        .byte   16, 0
        .word   1
        .word   order, 0
        .quad   1
no_handlers:                            # an interrupt table without room for one
        .word   0
        .long   0

        .org    510
        .word   0xaa55
