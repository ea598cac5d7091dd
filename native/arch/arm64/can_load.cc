// pmem_can_load (arch/can_load.h).
__asm__(
    ".pushsection .text\n"
    ".globl pmem_can_load, pmem_load_may_fault, pmem_load_failed\n"
    ".hidden pmem_can_load, pmem_load_may_fault, pmem_load_failed\n"
    ".type pmem_can_load, %function\n"
    "pmem_can_load:\n"
    "  hint #34\n"  // bti c; older assemblers do not know the name
    "pmem_load_may_fault:\n"
    "  ldrb w1, [x0]\n"
    "  mov w0, #1\n"
    "  ret\n"
    "pmem_load_failed:\n"
    "  mov w0, #0\n"
    "  ret\n"
    ".size pmem_can_load, . - pmem_can_load\n"
    ".popsection\n");
