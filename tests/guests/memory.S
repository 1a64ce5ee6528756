# A guest of one sector that uses its memory: a byte of every page from 1 MiB to 31 MiB.
#
# It says "memory " on COM1 before, "all" after it, and waits then.  It wants a PC BIOS
# (SeaBIOS), which has opened the A20 gate, and is built as bootsector.S.

        .set    COM1, 0x3f8             # UART: data; +5 line status
        .set    EMPTY, 0x20             #   a byte can be sent
        .set    PAGE, 4096
        .set    FIRST, 0x100000
        .set    BEHIND, 0x1f00000

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
        movw    $before, %si
        call    print

        cli                             # %fs reaches 4 GiB from here on
        lgdt    gdtr
        movl    %cr0, %eax
        orb     $1, %al
        movl    %eax, %cr0
        movw    $8, %bx
        movw    %bx, %fs
        andb    $0xfe, %al
        movl    %eax, %cr0

        movl    $FIRST, %edi
1:
        movb    $1, %fs:(%edi)
        addl    $PAGE, %edi
        cmpl    $BEHIND, %edi
        jb      1b

        movw    $after, %si
        call    print
halt:
        hlt
        jmp     halt

# Says the text at %si, which ends with a zero.
print:
        lodsb
        testb   %al, %al
        jz      2f
        movb    %al, %ah
        movw    $COM1 + 5, %dx
1:
        inb     %dx, %al
        testb   $EMPTY, %al
        jz      1b
        movw    $COM1, %dx
        movb    %ah, %al
        outb    %al, %dx
        jmp     print
2:
        ret

before:
        .asciz  "memory "
after:
        .asciz  "all\r\n"
        .balign 8
gdt:
        .quad   0
        .quad   0x00cf92000000ffff      # data, 4 GiB
gdtr:
        .word   gdtr - gdt - 1
        .long   gdt

        .org    510
        .word   0xaa55
