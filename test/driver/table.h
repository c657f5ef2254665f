// The table of what the ashmem driver does: one row per behaviour, which runs in a process of its own against whatever
// answers at /dev/ashmem. The same rows hold for the driver and for the preload library; where the two must differ, the
// row says why, and asserts both.
//
// ROW(id, "what holds") { EXPECT(call, 0); EXPECT_ERROR(call, EINVAL); }
// ROW_DIFFERS(id, "what holds", "why") { EXPECT(call, on_device() ? 0 : 1); }
#pragma once

#include <errno.h>
#include <linux/ashmem.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#include <functional>
#include <string>

namespace table {

struct Row {
  Row(const char* file, const char* id, const char* what, const char* differs, void (*run)());
  const char* file;
  const char* id;
  const char* what;
  const char* differs;  // why the preload library does not do what the driver does; null: it does
  void (*run)();
};

// Whether a driver answers, and not the library.
bool on_device();

void fail(const char* file, int line, const std::string& what);
// For a row that cannot run here: ends it.
[[noreturn]] void skip(const char* reason);
void expect(const char* file, int line, const char* text, long long got, int error, long long wanted,
            int wanted_error);

// ---- what the rows are made of

size_t page();
int open_area(int flags = 2 /* O_RDWR */);
// Pages of an area, or any number of bytes.
int sized(size_t bytes);
char* map(int fd, size_t bytes, int prot = PROT_READ | PROT_WRITE, int flags = MAP_SHARED, off_t offset = 0);

struct Area {
  explicit Area(size_t pages);
  int fd;
  char* base;
  size_t pages;

  // In pages; a count of 0 is a length of 0.
  long pin(unsigned first, unsigned count) const;
  long unpin(unsigned first, unsigned count) const;
  long status(unsigned first, unsigned count) const;
  char& at(size_t number) const { return base[number * page()]; }
  // Writes every page, so that a loss shows.
  void fill(char with = 'x') const;
  // A letter per page: 'x' as filled, '.' zeros.
  std::string pages_now() const;
};

long pin_call(int fd, unsigned long request, unsigned offset, unsigned len);

// Discards whatever is unpinned in `fd` (on the device: everywhere). Ends the row if that is not allowed here.
void purge(int fd);
bool is_root();
void drop_privileges();

// Runs `body` in a child; its exit status, or minus the signal that ended it.
int in_child(const std::function<int()>& body);

// What the row on exec does in the new program, with the fd of an area of two pages.
int after_exec(int fd);

bool send_fd(int socket, int fd);
int receive_fd(int socket);

}  // namespace table

#define ROW_DIFFERS(id, what, differs)                                      \
  static void run_##id();                                                   \
  static const table::Row row_##id(__FILE__, #id, what, differs, run_##id); \
  static void run_##id()
#define ROW(id, what) ROW_DIFFERS(id, what, nullptr)

#define EXPECT(call, wanted)                                                                  \
  do {                                                                                        \
    errno = 0;                                                                                \
    const long long got_ = static_cast<long long>(call);                                      \
    table::expect(__FILE__, __LINE__, #call, got_, errno, static_cast<long long>(wanted), 0); \
  } while (0)
#define EXPECT_ERROR(call, wanted_error)                                     \
  do {                                                                       \
    errno = 0;                                                               \
    const long long got_ = static_cast<long long>(call);                     \
    table::expect(__FILE__, __LINE__, #call, got_, errno, -1, wanted_error); \
  } while (0)
#define EXPECT_MAP_ERROR(call, wanted_error) EXPECT_ERROR(reinterpret_cast<intptr_t>(call), wanted_error)
#define EXPECT_TEXT(call, wanted)                                                                  \
  do {                                                                                             \
    const std::string got_ = (call);                                                               \
    const std::string wanted_ = (wanted);                                                          \
    if (got_ != wanted_)                                                                           \
      table::fail(__FILE__, __LINE__, #call " is \"" + got_ + "\", expected \"" + wanted_ + "\""); \
  } while (0)
