// pmem_can_load (arch/can_load.h).
__asm__(
    ".pushsection .text\n"
    ".globl pmem_can_load, pmem_load_may_fault, pmem_load_failed\n"
    ".hidden pmem_can_load, pmem_load_may_fault, pmem_load_failed\n"
    ".type pmem_can_load, %function\n"
    "pmem_can_load:\n"
    "  endbr64\n"
    "pmem_load_may_fault:\n"
    "  movzbl (%rdi), %eax\n"
    "  movl $1, %eax\n"
    "  ret\n"
    "pmem_load_failed:\n"
    "  xorl %eax, %eax\n"
    "  ret\n"
    ".size pmem_can_load, . - pmem_can_load\n"
    ".popsection\n");
