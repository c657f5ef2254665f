# Debian's compiler with its 32-bit libraries; what it makes runs on the machine itself.
set(CMAKE_C_FLAGS_INIT -m32)
set(CMAKE_CXX_FLAGS_INIT -m32)
# g++-NN-multilib has all but the kernel's <asm/...>. g++-multilib would bring it, and shuts out the compiler for arm64.
if(NOT EXISTS /usr/include/asm)
  string(APPEND CMAKE_C_FLAGS_INIT " -idirafter /usr/include/x86_64-linux-gnu")
  string(APPEND CMAKE_CXX_FLAGS_INIT " -idirafter /usr/include/x86_64-linux-gnu")
endif()
