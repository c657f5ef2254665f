# shellcheck shell=bash disable=SC2034,SC2154
# A recipe in the form of termux-packages: copy this folder to packages/ashmem-compat there, put the packed package beside this file
# (`npm pack`; it carries dist/, which needs no compiler of TypeScript), and run ./build-package.sh -a aarch64 ashmem-compat.
TERMUX_PKG_HOMEPAGE=https://ashmem-compat.example # package.json names no home page yet
TERMUX_PKG_DESCRIPTION="Purgeable shared memory for Node.js"
TERMUX_PKG_LICENSE="Apache-2.0"
TERMUX_PKG_MAINTAINER="@termux"
TERMUX_PKG_VERSION=0.1.0
TERMUX_PKG_SRCURL=file://${TERMUX_PKG_BUILDER_DIR}/ashmem-compat-${TERMUX_PKG_VERSION}.tgz
# A release names its checksum here; a package that was packed just now has none.
TERMUX_PKG_SHA256=SKIP_CHECKSUM
# The C++ library, where the toolchain has no static one; npm is for those who install it into a project.
TERMUX_PKG_DEPENDS="libc++, nodejs-lts | nodejs"
TERMUX_PKG_RECOMMENDS="npm"
# Node is needed to run the package, not to build it: the headers of Node-API are npm's, and who runs npm is the builder's own Node.
# Without this a builder that finds no ready one compiles Node first, and both of them.
TERMUX_PKG_ANTI_BUILD_DEPENDS="nodejs-lts, nodejs"
TERMUX_PKG_AUTO_UPDATE=false

# npm is asked for headers only: Node-API and its C++ wrapper. No script of a package is run.
termux_step_pre_configure() {
	# As process.arch names it.
	case "$TERMUX_ARCH" in
		aarch64) _ASHMEM_ARCH=arm64 ;;
		arm) _ASHMEM_ARCH=arm ;;
		x86_64) _ASHMEM_ARCH=x64 ;;
		i686) _ASHMEM_ARCH=ia32 ;;
		*) termux_error_exit "no such architecture: $TERMUX_ARCH" ;;
	esac
	if [ "${TERMUX_ON_DEVICE_BUILD:-false}" = false ]; then
		termux_setup_nodejs
	fi
	command -v npm >/dev/null || termux_error_exit "npm is missing; on a phone: pkg install nodejs-lts npm"
	(cd "$TERMUX_PKG_SRCDIR" && npm install --ignore-scripts --omit=dev --no-audit --no-fund --no-package-lock)
	local headers
	headers=$(cd "$TERMUX_PKG_SRCDIR" && node -p 'require("node-api-headers").include_dir')
	TERMUX_PKG_EXTRA_CONFIGURE_ARGS="-DCMAKE_JS_INC=$headers"
}

termux_step_make() {
	cmake --build "$TERMUX_PKG_BUILDDIR" --target ashmem_compat --parallel "$TERMUX_PKG_MAKE_PROCESSES"
}

# As `npm install --global` would lay it, but with this machine's binary among the shipped ones, where the package finds it without a
# script, and without what only a compilation needs.
termux_step_make_install() {
	local target="$TERMUX_PREFIX/lib/node_modules/ashmem-compat"
	rm -rf "$target"
	mkdir -p "$target/prebuilds/android-$_ASHMEM_ARCH" "$TERMUX_PREFIX/bin"
	local name
	for name in package.json README.md CHANGELOG.md LICENSE dist docs; do
		cp -R "$TERMUX_PKG_SRCDIR/$name" "$target/"
	done
	install -m600 "$TERMUX_PKG_BUILDDIR/Release/ashmem_compat.node" "$target/prebuilds/android-$_ASHMEM_ARCH/"
	chmod u+x "$target/dist/cli/main.js"
	ln -sf ../lib/node_modules/ashmem-compat/dist/cli/main.js "$TERMUX_PREFIX/bin/ashmem-compat"
}
