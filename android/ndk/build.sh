#!/usr/bin/env bash
# Builds the addon for Android with an NDK that is there, and lays it under prebuilds/android-ARCH/, where the package looks for it.
# Downloads nothing: the headers of Node-API come from node_modules, so run `npm ci --ignore-scripts` before.
#
# Usage: ANDROID_NDK_HOME=FOLDER android/ndk/build.sh [ABI ...]
#   ABI    arm64-v8a, armeabi-v7a, x86_64 or x86; all of them if none is named
#   JOBS   how many compilers at once; default: one for each processor
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
readonly root
readonly api=24 # what Termux builds for: Android 7
readonly page=16384 # Android 15 may have such pages
readonly oldest_ndk=25 # older ones have another libc++ and no llvm-readelf in this place

fail() {
  printf 'ndk/build.sh: %s\n' "$1" >&2
  exit 1
}

# How process.arch names what the NDK names ABI.
arch_of() {
  case $1 in
    arm64-v8a) echo arm64 ;;
    armeabi-v7a) echo arm ;;
    x86_64) echo x64 ;;
    x86) echo ia32 ;;
    *) fail "no ABI $1: it is one of arm64-v8a, armeabi-v7a, x86_64, x86" ;;
  esac
}

# Where the NDK has an ABI's libraries.
triple_of() {
  case $1 in
    arm64-v8a) echo aarch64-linux-android ;;
    armeabi-v7a) echo arm-linux-androideabi ;;
    x86_64) echo x86_64-linux-android ;;
    x86) echo i686-linux-android ;;
  esac
}

# The machine that readelf must see, a pattern.
machine_of() {
  case $1 in
    arm64-v8a) echo AArch64 ;;
    armeabi-v7a) echo ARM ;;
    x86_64) echo 'X86-64' ;;
    x86) echo '80386' ;;
  esac
}

check_tools() {
  command -v cmake >/dev/null || fail 'cmake is missing (3.18 or newer)'
  command -v node >/dev/null || fail 'node is missing'
  [ -n "${ANDROID_NDK_HOME:-}" ] || fail 'ANDROID_NDK_HOME is not set: it names the folder of an NDK'
  [ -d "$ANDROID_NDK_HOME" ] || fail "ANDROID_NDK_HOME is no folder: $ANDROID_NDK_HOME"
  # cmake would look for a relative one below its own build folder.
  ANDROID_NDK_HOME=$(cd "$ANDROID_NDK_HOME" && pwd)
  toolchain=$ANDROID_NDK_HOME/build/cmake/android.toolchain.cmake
  [ -f "$toolchain" ] || fail "there is no NDK in $ANDROID_NDK_HOME: build/cmake/android.toolchain.cmake is missing"
  local revision=''
  if [ -f "$ANDROID_NDK_HOME/source.properties" ]; then
    revision=$(sed -n 's/^Pkg.Revision *= *//p' "$ANDROID_NDK_HOME/source.properties")
  fi
  [[ $revision =~ ^[0-9]+\. ]] || fail "there is no NDK in $ANDROID_NDK_HOME: source.properties names no revision"
  [ "${revision%%.*}" -ge "$oldest_ndk" ] || fail "this NDK is r${revision%%.*}, and r$oldest_ndk or newer is needed"
  local hosts=("$ANDROID_NDK_HOME"/toolchains/llvm/prebuilt/*/)
  host=${hosts[0]%/}
  local tool
  for tool in clang++ llvm-readelf llvm-strip; do
    [ -x "$host/bin/$tool" ] || fail "the NDK has no toolchain for this machine: $host/bin/$tool is missing"
  done
  echo "NDK r$revision, API $api"
}

# Node's own headers are not needed: Node-API has a package of its own, which comes with cmake-js.
find_headers() {
  headers=$(cd "$root" && node -p 'require("node-api-headers").include_dir' 2>/dev/null) ||
    fail 'the package node-api-headers is missing; run: npm ci --ignore-scripts'
  (cd "$root" && node -e 'require("node-addon-api")' 2>/dev/null) ||
    fail 'the package node-addon-api is missing; run: npm ci --ignore-scripts'
}

# The symbols of Node-API are left undefined: Node has them. All others are checked afterwards, by check_symbols.
compile() {
  local abi=$1 build=$2
  cmake -S "$root" -B "$build" \
    -DCMAKE_TOOLCHAIN_FILE="$toolchain" \
    -DANDROID_ABI="$abi" \
    -DANDROID_PLATFORM="android-$api" \
    -DANDROID_STL=c++_static \
    -DANDROID_SUPPORT_FLEXIBLE_PAGE_SIZES=ON \
    -DANDROID_ALLOW_UNDEFINED_SYMBOLS=ON \
    -DCMAKE_SHARED_LINKER_FLAGS="-Wl,-z,max-page-size=$page" \
    -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_JS_INC="$headers"
  cmake --build "$build" --target ashmem_compat --parallel "${JOBS:-$(nproc)}"
}

check_header() {
  local abi=$1 file=$2
  "$host/bin/llvm-readelf" -h "$file" | grep -E "Machine:.*$(machine_of "$abi")" >/dev/null ||
    fail "$file is not for $abi"
}

# It must load on a phone that has nothing but Android's own libraries.
check_needed() {
  local file=$1 needed name
  needed=$("$host/bin/llvm-readelf" -d "$file" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
  for name in $needed; do
    case $name in
      libc.so | libm.so | libdl.so | liblog.so) ;;
      *) fail "$file needs $name, which must not be: an addon may need Android's libc.so, libm.so and libdl.so" ;;
    esac
  done
  echo "  needs $(xargs <<<"$needed")"
}

check_pages() {
  local file=$1 align
  for align in $("$host/bin/llvm-readelf" -lW "$file" | awk '$1 == "LOAD" { print $NF }'); do
    ((align >= page)) || fail "$file has a segment aligned to $align, and $page is needed"
  done
}

symbols() { "$host/bin/llvm-readelf" --dyn-syms -W "$1"; }

# bionic fails to load a library with a symbol that nobody has, and the linker was told to allow them. So each is looked for in the
# libraries that API 24 has.
check_symbols() {
  local abi=$1 file=$2 system
  system=$host/sysroot/usr/lib/$(triple_of "$abi")/$api
  [ -f "$system/libc.so" ] || fail "the NDK has no libc.so of API $api for $abi: $system"
  local library
  local missing
  missing=$(comm -23 \
    <(symbols "$file" | awk '$7 == "UND" && $5 != "WEAK" && $8 != "" { print $8 }' | sed 's/@.*//' |
      grep -vE '^(napi_|node_api_)' | sort -u) \
    <(for library in libc libm libdl liblog; do
        if [ -f "$system/$library.so" ]; then symbols "$system/$library.so"; fi
      done | awk '$7 != "UND" { print $8 }' | sed 's/@.*//' | sort -u))
  [ -z "$missing" ] || fail "$file needs symbols that API $api has not: $(xargs <<<"$missing")"
}

build_abi() {
  local abi=$1 arch build built target
  arch=$(arch_of "$abi")
  build=$root/build/android-$arch
  target=$root/prebuilds/android-$arch/ashmem_compat.node
  echo "$abi"
  rm -rf "$build"
  compile "$abi" "$build" >"$root/build/android-$arch.log" 2>&1 || {
    tail -n 40 "$root/build/android-$arch.log" >&2
    fail "compiling for $abi failed; all of it is in build/android-$arch.log"
  }
  built=$build/Release/ashmem_compat.node
  "$host/bin/llvm-strip" --strip-unneeded "$built"
  check_header "$abi" "$built"
  check_needed "$built"
  check_pages "$built"
  check_symbols "$abi" "$built"
  mkdir -p "$(dirname "$target")"
  cp "$built" "$target"
  echo "  prebuilds/android-$arch/ashmem_compat.node"
}

abis=("$@")
[ ${#abis[@]} -gt 0 ] || abis=(arm64-v8a armeabi-v7a x86_64 x86)
for abi in "${abis[@]}"; do arch_of "$abi" >/dev/null; done
check_tools
find_headers
mkdir -p "$root/build"
for abi in "${abis[@]}"; do build_abi "$abi"; done
