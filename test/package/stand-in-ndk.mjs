// A folder with the layout of an NDK, made of Debian's compilers. It shows that android/ndk/build.sh does what it says, and that it
// refuses what it must; it does not show that the addon works on Android. A real NDK builds it in .github/workflows.

import { spawnSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const triples = {
  'arm64-v8a': ['aarch64-linux-android', 'aarch64-linux-gnu-g++', 'ld-linux-aarch64.so.1'],
  'armeabi-v7a': ['arm-linux-androideabi', 'arm-linux-gnueabihf-g++', 'ld-linux-armhf.so.3'],
  x86_64: ['x86_64-linux-android', 'g++', 'ld-linux-x86-64.so.2'],
  x86: ['i686-linux-android', 'g++ -m32 -idirafter /usr/include/x86_64-linux-gnu', 'ld-linux.so.2'],
};

/** As much of the NDK's own toolchain file as build.sh relies on. */
const toolchainFile = `
set(CMAKE_SYSTEM_NAME Android)
set(CMAKE_SYSTEM_VERSION 1)
set(CMAKE_SYSTEM_PROCESSOR \${ANDROID_ABI})
# Variables of the command line are not seen in try_compile unless they are named here.
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES ANDROID_ABI ANDROID_PLATFORM ANDROID_STL ANDROID_ALLOW_UNDEFINED_SYMBOLS)
if(NOT ANDROID_PLATFORM STREQUAL "android-24" OR NOT ANDROID_STL STREQUAL "c++_static")
  message(FATAL_ERROR "not what this package is built for: \${ANDROID_PLATFORM} \${ANDROID_STL}")
endif()
set(CMAKE_CXX_COMPILER \${CMAKE_CURRENT_LIST_DIR}/../../toolchains/llvm/prebuilt/linux-x86_64/bin/clang++)
set(CMAKE_CXX_COMPILER_FORCED TRUE)
set(CMAKE_CXX_FLAGS_INIT "--target=\${ANDROID_ABI}")
set(CMAKE_SHARED_LINKER_FLAGS_INIT "-static-libstdc++")
if(NOT ANDROID_ALLOW_UNDEFINED_SYMBOLS)
  string(APPEND CMAKE_SHARED_LINKER_FLAGS_INIT " -Wl,--no-undefined")
endif()
`;

/** A compiler for all four ABIs. Without optimization, and with what it has compiled before: only the script is under test. */
function compiler({ cache, pageSize, androidNames }) {
  const cases = Object.entries(triples).map(([abi, [, command]]) => `    ${abi}) compiler='${command}' ;;`);
  return `#!/usr/bin/env bash
set -euo pipefail
args=() object='' output='' compiler='' next=''
for arg in "$@"; do
  if [ "$next" = output ]; then output=$arg next=''; fi
  case $arg in
    --target=*) case \${arg#--target=} in
${cases.join('\n')}
    esac ;;
    -Wl,-z,max-page-size=*) args+=("-Wl,-z,max-page-size=${pageSize}") ;;
    -O*) ;;
    -c) object=yes; args+=(-c) ;;
    -o) next=output; args+=(-o) ;;
    *) args+=("$arg") ;;
  esac
done
if [ -n "$object" ]; then
  kept=${cache}/$(sha256sum <<<"$compiler \${args[*]}" | cut -c1-32).o
  [ -f "$kept" ] || $compiler -O0 -w "\${args[@]}"
  [ -f "$kept" ] || cp "$output" "$kept"
  cp "$kept" "$output"
  exit
fi
$compiler "\${args[@]}"
# Android's libraries have no versions in their names.
if ${androidNames} && [ -f "$output" ]; then
  perl -0777 -pi -e 's{\\b(lib[cm]|ld-linux[-\\w]*)\\.so\\.\\d\\0}{
    my ($all, $name) = ($&, $1);
    my $new = $name =~ /^lib/ ? "$name.so" : "libdl.so";
    $new . "\\0" x (length($all) - length($new))
  }ge' "$output"
fi
`;
}

const strip = `#!/usr/bin/env bash
for file; do :; done
case $(readelf -h "$file") in
  *AArch64*) exec aarch64-linux-gnu-strip "$@" ;;
  *'Machine:'*' ARM'*) exec arm-linux-gnueabihf-strip "$@" ;;
  *) exec strip "$@" ;;
esac
`;

function path(command, file) {
  const [program, ...flags] = command.split(' ');
  const { stdout } = spawnSync(program, [...flags, `-print-file-name=${file}`], { encoding: 'utf8' });
  // No compiler for the ABI: no library either, which build.sh is not asked for then.
  return stdout?.trim() || '/dev/null';
}

/** The ABIs that this machine has a compiler for, tried by linking, since headers may be missing. */
export function abisHere() {
  return Object.entries(triples)
    .filter(([, [, command]]) => {
      const [program, ...flags] = command.split(' ');
      const args = [...flags, '-x', 'c++', '-static-libstdc++', '-shared', '-fPIC', '-o', '/dev/null', '-'];
      return spawnSync(program, args, { input: '#include <string>\nstd::string s;' }).status === 0;
    })
    .map(([abi]) => abi);
}

/**
 * Makes one in `folder`. What can be wrong with it: `revision`; `pageSize` that the linker takes instead of the one that it is told;
 * `androidNames: false`: what it links needs glibc's libraries; `libc: false`: none of libc's symbols are Android's.
 */
export function makeNdk(
  folder,
  { cache, revision = '27.2.12479018', pageSize = '16384', androidNames = true, libc = true },
) {
  const host = join(folder, 'toolchains/llvm/prebuilt/linux-x86_64');
  mkdirSync(join(folder, 'build/cmake'), { recursive: true });
  mkdirSync(join(host, 'bin'), { recursive: true });
  mkdirSync(cache, { recursive: true });
  writeFileSync(join(folder, 'source.properties'), `Pkg.Desc = Android NDK\nPkg.Revision = ${revision}\n`);
  writeFileSync(join(folder, 'build/cmake/android.toolchain.cmake'), toolchainFile);
  const program = (name, text) => writeFileSync(join(host, 'bin', name), text, { mode: 0o755 });
  program('clang++', compiler({ cache, pageSize, androidNames }));
  program('llvm-strip', strip);
  program('llvm-readelf', '#!/bin/sh\nexec readelf "$@"\n');
  for (const [triple, command, loader] of Object.values(triples)) {
    const system = join(host, 'sysroot/usr/lib', triple, '24');
    mkdirSync(system, { recursive: true });
    symlinkSync(path(command, libc ? 'libc.so.6' : 'libm.so.6'), join(system, 'libc.so'));
    symlinkSync(path(command, 'libm.so.6'), join(system, 'libm.so'));
    symlinkSync(path(command, loader), join(system, 'libdl.so'));
  }
  return folder;
}
