# A guest of one sector that asks its TPM how often that was reset, and powers off.
#
# It says "tpm " on COM1, the TPM's response code and its count of resets (TPM2_ReadClock,
# TPMS_CLOCK_INFO.resetCount), eight hexadecimal digits each.  The count is kept by the
# TPM: with each start of the machine it is one more, unless what the TPM keeps was lost.
#
# It wants a PC BIOS (SeaBIOS), which starts the TPM, the command and response buffer
# (tpm-crb) of QEMU, and the power management of QEMU's q35.  It is built as bootsector.S.

        .set    COM1, 0x3f8             # UART: data; +5 line status
        .set    EMPTY, 0x20             #   a byte can be sent
        .set    PM_CONTROL, 0x604       # ACPI PM1a
        .set    OFF, 0x2000             #   SLP_EN and, in q35, SLP_TYP 0: soft off
        .set    CRB, 0xfed40000         # the buffer's registers, of locality 0
        .set    LOC_CTRL, 0x08          #   1 asks for the locality
        .set    CTRL_REQ, 0x40          #   1 wakes it
        .set    CTRL_START, 0x4c        #   1 sends the command, 0 says that it is answered
        .set    DATA, 0x80              #   the command, and then the response

        .code16
        .text
        .globl  _start
_start:
        ljmp    $0, $main
main:
        xorw    %ax, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        movw    $_start, %sp

        cli                             # %fs reaches 4 GiB from here on
        lgdt    gdtr
        movl    %cr0, %eax
        orb     $1, %al
        movl    %eax, %cr0
        movw    $8, %bx
        movw    %bx, %fs
        andb    $0xfe, %al
        movl    %eax, %cr0
        sti

        movl    $CRB, %edi
        movl    $1, %fs:LOC_CTRL(%edi)
        movl    $1, %fs:CTRL_REQ(%edi)
        movw    $command, %si
        movw    $10, %cx
        leal    DATA(%edi), %ebx
1:
        lodsb
        movb    %al, %fs:(%ebx)
        incl    %ebx
        loop    1b
        movl    $1, %fs:CTRL_START(%edi)
2:
        movl    %fs:CTRL_START(%edi), %eax
        testb   $1, %al
        jnz     2b

        movw    $greeting, %si
        call    print
        movl    %fs:DATA + 6(%edi), %eax
        call    hex
        movb    $' ', %al
        call    put
        movl    %fs:DATA + 26(%edi), %eax
        call    hex
        movw    $newline, %si
        call    print

        movw    $PM_CONTROL, %dx
        movw    $OFF, %ax
        outw    %ax, %dx
3:
        cli
        hlt
        jmp     3b

# Says %eax, whose bytes are in the order of the TPM, as eight digits.
hex:
        bswapl  %eax
        movl    %eax, %ebp
        movw    $8, %cx
1:
        roll    $4, %ebp
        movw    %bp, %ax
        andb    $15, %al
        addb    $'0', %al
        cmpb    $'9', %al
        jbe     2f
        addb    $'a' - '9' - 1, %al
2:
        call    put
        loop    1b
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
        .asciz  "tpm "
newline:
        .asciz  "\r\n"
command:                                # TPM2_ReadClock, without a session
        .byte   0x80, 0x01, 0, 0, 0, 10, 0, 0, 0x01, 0x81
        .balign 8
gdt:
        .quad   0
        .quad   0x00cf92000000ffff      # data, from 0, 4 GiB
gdtr:
        .word   15
        .long   gdt

        .org    510
        .word   0xaa55
