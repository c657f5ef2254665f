// Which paths name the device.
#pragma once

namespace ashmem_preload {

// /dev/ashmem, or /dev/ashmem<boot_id> as on Android 11 and later.
bool is_device_path(const char* path);

// Under /proc or /dev/fd: a path by which an open file may be opened again.
bool may_be_fd_path(const char* path);

// Whether a real device answers at the path as a device should; a kernel's stub of one does not. Once true or false, it
// stays so.
bool real_device_works();

// ASHMEM_COMPAT_PRELOAD=always emulates even where there is a device, for tests of the two side by side.
bool always_emulate();

}  // namespace ashmem_preload
