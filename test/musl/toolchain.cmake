# For `npm run test:musl`: the core and its tests as static programs with musl for a libc, which this machine runs itself. Debian has musl
# (musl-dev) and no C++ library that is built for it; LLVM's static one (libc++-14-dev) is built for glibc, and is good enough: of glibc it
# needs nothing but the names in glibc_names.c, and the types that both libcs share with it (mutexes, conditions) have one size on x86-64.
# The core itself is compiled against musl's headers alone.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR x86_64)
set(CMAKE_C_COMPILER clang)
set(CMAKE_CXX_COMPILER clang++)
set(CMAKE_C_COMPILER_TARGET x86_64-linux-musl)
set(CMAKE_CXX_COMPILER_TARGET x86_64-linux-musl)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
# There is no dynamic loader to go with it.
set(ASHMEM_COMPAT_STATIC ON CACHE BOOL "" FORCE)

set(llvm /usr/lib/llvm-14)
set(musl /usr/lib/x86_64-linux-musl)
execute_process(COMMAND clang -print-resource-dir OUTPUT_VARIABLE resources OUTPUT_STRIP_TRAILING_WHITESPACE)
execute_process(COMMAND gcc -print-file-name=crtbeginT.o OUTPUT_VARIABLE begin OUTPUT_STRIP_TRAILING_WHITESPACE)
execute_process(COMMAND gcc -print-file-name=crtend.o OUTPUT_VARIABLE end OUTPUT_STRIP_TRAILING_WHITESPACE)
execute_process(COMMAND gcc -print-libgcc-file-name OUTPUT_VARIABLE libgcc OUTPUT_STRIP_TRAILING_WHITESPACE)

# The kernel's headers without glibc's, which lie in the same folder.
set(kernel ${CMAKE_BINARY_DIR}/kernel-headers)
file(MAKE_DIRECTORY ${kernel})
file(CREATE_LINK /usr/include/linux ${kernel}/linux SYMBOLIC)
file(CREATE_LINK /usr/include/asm-generic ${kernel}/asm-generic SYMBOLIC)
file(CREATE_LINK /usr/include/x86_64-linux-gnu/asm ${kernel}/asm SYMBOLIC)

set(libc_headers "-isystem /usr/include/x86_64-linux-musl -isystem ${resources}/include -isystem ${kernel}")
set(CMAKE_C_FLAGS_INIT "-nostdinc ${libc_headers}")
# (In CMSG_NXTHDR musl itself compares numbers of different signs.)
set(CMAKE_CXX_FLAGS_INIT "-nostdinc -nostdinc++ -isystem ${llvm}/include/c++/v1 ${libc_headers} \
-D_LIBCPP_HAS_MUSL_LIBC -Wno-error=sign-compare")

set(CMAKE_EXE_LINKER_FLAGS_INIT "-static -nostdlib ${musl}/crt1.o ${musl}/crti.o ${begin}")
set(libraries "-Wl,--start-group ${llvm}/lib/libc++.a ${llvm}/lib/libunwind.a ${musl}/libc.a ${libgcc} \
${CMAKE_BINARY_DIR}/glibc_names.o -Wl,--end-group ${end} ${musl}/crtn.o")
set(CMAKE_C_STANDARD_LIBRARIES_INIT "${libraries}")
set(CMAKE_CXX_STANDARD_LIBRARIES_INIT "${libraries}")
execute_process(COMMAND clang --target=x86_64-linux-musl -O1 -Wall -Wextra -Werror -nostdinc
  -isystem /usr/include/x86_64-linux-musl -isystem ${resources}/include
  -c ${CMAKE_CURRENT_LIST_DIR}/glibc_names.c -o ${CMAKE_BINARY_DIR}/glibc_names.o COMMAND_ERROR_IS_FATAL ANY)
