#include "preload/area.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "preload/gate.h"
#include "preload/next.h"

namespace ashmem_preload {
namespace {

// Where the state begins, unless a limit on the size of files is lower. Data never gets near: an area is made only if
// the machine could hold it. Even 32-bit programs can map at twice this offset.
constexpr uint64_t kStateOffset = uint64_t{1} << 42;
// A mode that no other memfd has: the sticky bit.
constexpr mode_t kMode = S_IFREG | S_ISVTX | 0666;
// Nobody can shorten the file under us, nor make it one that cannot be discarded.
constexpr int kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW;
constexpr int kWriteSeals = F_SEAL_WRITE | 16 /* F_SEAL_FUTURE_WRITE */;
// For whoever is inside. The driver's lock is held for as long; only a process that was stopped there holds ours longer.
#ifdef ASHMEM_COMPAT_STAGES
constexpr int kPatienceMs = 3000;
#else
constexpr int kPatienceMs = 10'000;
#endif

uint64_t state_bytes() { return page_bytes() + kPinnableBytes / page_bytes() * sizeof(PageWord); }

// Past our own fstat, which says what the driver would.
#ifdef SYS_fstat64
int inode_of(int fd, struct stat64* st) { return static_cast<int>(syscall(SYS_fstat64, fd, st)); }
#else
int inode_of(int fd, struct stat64* st) { return static_cast<int>(syscall(SYS_fstat, fd, st)); }
#endif

bool has_area_inode(int fd, struct stat64* st) {
  return inode_of(fd, st) == 0 && st->st_mode == kMode && st->st_nlink == 0 &&
         static_cast<uint64_t>(st->st_size) > state_bytes();
}

int open_again(int fd, int flags) {
  // Not /proc/self: that is the first thread, which may have ended.
  char path[48];
  snprintf(path, sizeof path, "/proc/thread-self/fd/%d", fd);
  // The state lies far beyond 2 GiB: a 32-bit program has to say that it knows such files.
  return static_cast<int>(syscall(SYS_openat, AT_FDCWD, path, flags | O_LARGEFILE, 0));
}

}  // namespace

size_t page_bytes() {
  static const size_t bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

bool is_area(int fd) {
  const int error = errno;
  struct stat64 st;
  bool is = fd >= 0 && has_area_inode(fd, &st);
  if (is) {
    const int seals = next().fcntl_(fd, F_GET_SEALS);
    is = seals >= 0 && (seals & (kSeals | kWriteSeals)) == kSeals;
  }
  errno = error;
  return is;
}

int make_area(int flags) {
  const unsigned cloexec = (flags & O_CLOEXEC) != 0 ? MFD_CLOEXEC : 0;
  const int fd = static_cast<int>(syscall(SYS_memfd_create, "ashmem", MFD_ALLOW_SEALING | cloexec));
  if (fd < 0) return -1;
  uint64_t offset = kStateOffset;
  struct rlimit64 limit;
  if (getrlimit64(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < offset + state_bytes()) {
    offset = limit.rlim_cur < state_bytes()
                 ? 0
                 : (limit.rlim_cur - state_bytes()) & ~(static_cast<uint64_t>(page_bytes()) - 1);
  }
  State state = {};
  state.magic = kMagic;
  state.prot_mask = PROT_READ | PROT_WRITE | PROT_EXEC;
  int error = ENOMEM;
  if (offset > 0 && next().ftruncate64_(fd, static_cast<int64_t>(offset + state_bytes())) == 0 &&
      next().pwrite64_(fd, &state, sizeof state, static_cast<int64_t>(offset)) ==
          static_cast<ssize_t>(sizeof state) &&
      fchmod(fd, kMode & 07777) == 0 && next().fcntl_(fd, F_ADD_SEALS, kSeals) == 0) {
    constexpr int kKept = O_ACCMODE | O_NONBLOCK | O_APPEND | O_NOATIME;
    if ((flags & kKept) == O_RDWR) return fd;
    // Opened as the program asked, and put in the place of the first one: the lowest free number, as open(2) promises.
    const int again = open_again(fd, flags & (kKept | O_CLOEXEC));
    if (again >= 0) {
      const int moved = dup3(again, fd, flags & O_CLOEXEC);
      close(again);
      if (moved >= 0) return fd;
    }
    error = errno;
  }
  close(fd);
  errno = error;
  return -1;
}

Area::Area(int fd) : fd_(fd) {
  const int error = errno;
  // No handler may come in between (it could want the same lock), and no cancellation.
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &signals_);
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state_);
  enter_gate();
  struct stat64 st;
  if (has_area_inode(fd, &st) && lock()) {
    state_offset_ = static_cast<uint64_t>(st.st_size) - state_bytes();
    // By the program's fd if it will do: a mapping keeps its open file, so that of a child of vfork that is killed here
    // would keep the lock, in its parent's memory.
    const auto at = static_cast<int64_t>(state_offset_);
    void* state = next().mmap64_(nullptr, state_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, fd_, at);
    if (state == MAP_FAILED && errno == EACCES) {
      state = next().mmap64_(nullptr, state_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, file_, at);
    }
    if (state == MAP_FAILED) {
      error_ = ENOMEM;
    } else if (load(&static_cast<State*>(state)->magic) != kMagic) {
      munmap(state, state_bytes());
    } else {
      state_ = static_cast<State*>(state);
    }
  }
  errno = error;
}

bool Area::lock() {
  file_ = open_again(fd_, O_RDWR | O_CLOEXEC);
  owns_lock_by_file_ = file_ >= 0;
  // Without /proc: a lock of the whole process. It excludes others; between our threads the gate does.
  if (file_ < 0) file_ = next().fcntl_(fd_, F_DUPFD_CLOEXEC, 0);
  if (file_ < 0) {
    error_ = errno;
    return false;
  }
  // Short naps at first, and never long ones: those who call all the time would starve whoever naps through their gaps.
  timespec nap = {0, 20'000};
  for (int64_t waited = 0; waited < int64_t{kPatienceMs} * 1'000'000; waited += nap.tv_nsec) {
    struct flock64 whole = {};
    whole.l_type = F_WRLCK;
    whole.l_whence = SEEK_SET;
    if (next().fcntl_(file_, owns_lock_by_file_ ? F_OFD_SETLK : F_SETLK64, &whole) == 0) return true;
    if (errno != EAGAIN && errno != EACCES && errno != EINTR) {
      error_ = errno;
      return false;
    }
    // Somebody is inside: for microseconds, unless it was stopped there.
    syscall(SYS_nanosleep, &nap, nullptr);
    if (waited > 20'000'000) nap.tv_nsec = 200'000;
  }
  error_ = EBUSY;
  return false;
}

Area::~Area() {
  const int error = errno;
  if (state_) munmap(state_, state_bytes());
  if (file_ >= 0) close(file_);  // this unlocks: nobody else has this open file
  leave_gate();
  pthread_setcancelstate(cancel_state_, nullptr);
  pthread_sigmask(SIG_SETMASK, &signals_, nullptr);
  errno = error;
}

uint64_t Area::rounded_size() const {
  const size_t mask = page_bytes() - 1;
  return static_cast<size_t>((static_cast<size_t>(size()) + mask) & ~mask);
}

Ranges Area::ranges() {
  const uint64_t pages = rounded_size() / page_bytes();
  const uint64_t trackable = kPinnableBytes / page_bytes();
  auto* words = reinterpret_cast<PageWord*>(reinterpret_cast<char*>(state_) + page_bytes());
  return Ranges(state_, words, pages, pages < trackable ? pages : trackable);
}

void Area::discard(uint64_t first, uint64_t pages) {
  const uint64_t offset = first * page_bytes();
  const uint64_t length = pages * page_bytes();
  if (offset + length > state_offset_) return;  // a peer has written a size that is no size
  while (next().fallocate64_(file_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<int64_t>(offset),
                             static_cast<int64_t>(length)) != 0 &&
         errno == EINTR) {
  }
}

int Area::open_for_reading() const { return open_again(fd_, O_RDONLY | O_CLOEXEC); }

}  // namespace ashmem_preload
