// The fd as a file: open, read, seek, and everything that it refuses.

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "table.h"

using table::Area;
using table::open_area;
using table::page;
using table::sized;

ROW(open_flags, "O_CLOEXEC and O_NONBLOCK are kept, the lowest number is taken") {
  const int lowest = dup(0);
  close(lowest);
  const int fd = open_area(O_RDWR | O_CLOEXEC);
  EXPECT(fd, lowest);
  EXPECT(fcntl(fd, F_GETFD), FD_CLOEXEC);
  EXPECT(fcntl(open_area(O_RDWR), F_GETFD), 0);
  const int reader = open_area(O_RDONLY | O_NONBLOCK);
  EXPECT(fcntl(reader, F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDONLY | O_NONBLOCK);
  EXPECT(fcntl(open_area(O_WRONLY), F_GETFL) & O_ACCMODE, O_WRONLY);
  EXPECT(open_area(O_RDWR | O_TRUNC) >= 0, 1);
}

ROW(open_creating, "O_CREAT does nothing, with O_EXCL it is EEXIST; O_DIRECTORY is ENOTDIR") {
  EXPECT(open("/dev/ashmem", O_RDWR | O_CREAT, 0600) >= 0, 1);
  EXPECT_ERROR(open("/dev/ashmem", O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
  EXPECT_ERROR(open("/dev/ashmem", O_RDWR | O_DIRECTORY), ENOTDIR);
}

ROW(open_at, "openat opens it as well, whatever its directory") {
  const int fd = openat(-7, "/dev/ashmem", O_RDWR);
  EXPECT(ioctl(fd, ASHMEM_GET_SIZE), 0);
}

ROW_DIFFERS(open_boot_id, "/dev/ashmem<boot_id>, the name on Android 11 and later, opens it",
            "the device: where the system makes that node, and this one does not; the library: always") {
  char path[64] = "/dev/ashmem";
  const int boot_id = open("/proc/sys/kernel/random/boot_id", O_RDONLY);
  EXPECT(read(boot_id, path + 11, 36), 36);
  if (table::on_device() && access(path, F_OK) != 0) {
    EXPECT_ERROR(open(path, O_RDWR), ENOENT);
    return;
  }
  const int fd = open(path, O_RDWR);
  EXPECT(ioctl(fd, ASHMEM_GET_SIZE), 0);
  path[20] ^= 1;
  EXPECT_ERROR(open(path, O_RDWR), ENOENT);
}

ROW(file_stat, "fstat shows a character device of size 0, the same as stat of the path") {
  const Area area(3);
  struct stat file = {};
  struct stat device = {};
  EXPECT(fstat(area.fd, &file), 0);
  EXPECT(S_ISCHR(file.st_mode), 1);
  EXPECT(file.st_size, 0);
  EXPECT(stat("/dev/ashmem", &device), 0);
  EXPECT(S_ISCHR(device.st_mode), 1);
  EXPECT(file.st_rdev == device.st_rdev && file.st_rdev != 0, 1);
  EXPECT(file.st_ino == device.st_ino && file.st_dev == device.st_dev, 1);
  EXPECT(access("/dev/ashmem", R_OK | W_OK), 0);
}

ROW(file_read,
    "read gives the bytes up to the exact size; 0 while the size is 0, EBADF before the first mmap") {
  char bytes[64];
  const int fd = open_area();
  EXPECT(read(fd, bytes, sizeof bytes), 0);
  EXPECT(ioctl(fd, ASHMEM_SET_SIZE, 10ul), 0);
  EXPECT_ERROR(read(fd, bytes, sizeof bytes), EBADF);
  memcpy(table::map(fd, 10), "0123456789abc", 13);
  EXPECT(read(fd, bytes, 4), 4);
  EXPECT(memcmp(bytes, "0123", 4), 0);
  EXPECT(read(fd, bytes, sizeof bytes), 6);
  EXPECT(memcmp(bytes, "456789", 6), 0);
  EXPECT(read(fd, bytes, sizeof bytes), 0);
  EXPECT(pread(fd, bytes, sizeof bytes, 7), 3);
  EXPECT(pread(fd, bytes, sizeof bytes, 10), 0);
  EXPECT(pread(fd, bytes, sizeof bytes, 1 << 20), 0);
  EXPECT_ERROR(pread(fd, bytes, sizeof bytes, -1), EINVAL);
}

ROW(file_seek, "lseek is EINVAL while the size is 0, EBADF before the first mmap, and knows the exact end") {
  const int fd = open_area();
  EXPECT_ERROR(lseek(fd, 0, SEEK_SET), EINVAL);
  EXPECT(ioctl(fd, ASHMEM_SET_SIZE, 10ul), 0);
  EXPECT_ERROR(lseek(fd, 0, SEEK_SET), EBADF);
  table::map(fd, 10)[4] = 'e';
  EXPECT(lseek(fd, 0, SEEK_END), 10);
  EXPECT(lseek(fd, -6, SEEK_END), 4);
  EXPECT(lseek(fd, 0, SEEK_CUR), 4);
  char byte = 0;
  EXPECT(read(fd, &byte, 1), 1);
  EXPECT(byte, 'e');
  EXPECT(lseek(fd, 2, SEEK_CUR), 7);
  EXPECT(lseek(fd, 1000, SEEK_SET), 1000);
  EXPECT(read(fd, &byte, 1), 0);
  EXPECT_ERROR(lseek(fd, -1, SEEK_SET), EINVAL);
  EXPECT_ERROR(lseek(fd, 0, 99), EINVAL);
}

ROW(file_seek_after_pread,
    "pread moves the position that lseek goes by, though not the one that read goes by") {
  const int fd = sized(10);
  memcpy(table::map(fd, 10), "0123456789", 10);
  char byte = 0;
  EXPECT(pread(fd, &byte, 1, 5), 1);
  EXPECT(read(fd, &byte, 1), 1);
  EXPECT(byte, '0');
  EXPECT(pread(fd, &byte, 1, 5), 1);
  EXPECT(lseek(fd, 0, SEEK_CUR), 6);
  EXPECT(read(fd, &byte, 1), 1);
  EXPECT(byte, '6');
}

ROW(file_seek_holes, "lseek finds data and holes") {
  const Area area(4);
  area.at(1) = 'd';
  const off_t p = static_cast<off_t>(page());
  EXPECT(lseek(area.fd, 0, SEEK_DATA), p);
  EXPECT(lseek(area.fd, p, SEEK_HOLE), 2 * p);
  EXPECT(lseek(area.fd, 3 * p, SEEK_HOLE), 3 * p);
  EXPECT_ERROR(lseek(area.fd, 2 * p, SEEK_DATA), ENXIO);
  EXPECT_ERROR(lseek(area.fd, 4 * p, SEEK_HOLE), ENXIO);
}

ROW(file_write, "write and pwrite are EINVAL") {
  const Area area(1);
  area.fill();
  EXPECT_ERROR(write(area.fd, "w", 1), EINVAL);
  EXPECT_ERROR(pwrite(area.fd, "w", 1, 0), EINVAL);
  EXPECT_ERROR(write(open_area(O_RDONLY), "w", 1), EBADF);
  EXPECT_TEXT(area.pages_now(), "x");
}

ROW(file_resize, "ftruncate is EINVAL, fallocate ENODEV") {
  const Area area(2);
  EXPECT_ERROR(ftruncate(area.fd, 1), EINVAL);
  EXPECT_ERROR(fallocate(area.fd, 0, 0, 1), ENODEV);
  EXPECT_ERROR(fallocate(area.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1), ENODEV);
  EXPECT(posix_fallocate(area.fd, 0, 1), ENODEV);
}

ROW(file_seals, "it has no seals: EINVAL") {
  const int fd = open_area();
  EXPECT_ERROR(fcntl(fd, F_GET_SEALS), EINVAL);
  EXPECT_ERROR(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL), EINVAL);
}

ROW(file_fsync, "fsync is EINVAL") { EXPECT_ERROR(fsync(open_area()), EINVAL); }

ROW(file_unknown_ioctl, "other ioctls are ENOTTY, also of the same magic, or of other sizes") {
  const int fd = open_area();
  int number = 0;
  EXPECT_ERROR(ioctl(fd, _IO(0x77, 11)), ENOTTY);
  EXPECT_ERROR(ioctl(fd, _IO(0x77, 3), 4096), ENOTTY);
  EXPECT_ERROR(ioctl(fd, _IOW(0x77, 3, char), 4096), ENOTTY);
  EXPECT_ERROR(ioctl(fd, FIONREAD, &number), ENOTTY);
  EXPECT_ERROR(ioctl(fd, 0x5401 /* TCGETS */, &number), ENOTTY);
  EXPECT(ioctl(fd, FIOCLEX), 0);
  EXPECT(fcntl(fd, F_GETFD), FD_CLOEXEC);
}

ROW(file_not_an_area, "an ioctl of the device on another file is ENOTTY, on no file EBADF") {
  EXPECT_ERROR(ioctl(open("/dev/null", O_RDWR), ASHMEM_GET_SIZE), ENOTTY);
  EXPECT_ERROR(ioctl(open("/proc/self/exe", O_RDONLY), ASHMEM_GET_SIZE), ENOTTY);
  EXPECT_ERROR(ioctl(memfd_create("other", MFD_ALLOW_SEALING), ASHMEM_GET_SIZE), ENOTTY);
  EXPECT_ERROR(ioctl(-1, ASHMEM_GET_SIZE), EBADF);
  EXPECT_ERROR(ioctl(777, ASHMEM_GET_SIZE), EBADF);
}
