// What LLVM's C++ library needs of glibc, on musl: its checked spellings of functions that both have.
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

void* __memmove_chk(void* to, const void* from, size_t count, size_t room) {
  (void)room;
  return memmove(to, from, count);
}
wchar_t* __wmemcpy_chk(wchar_t* to, const wchar_t* from, size_t count, size_t room) {
  (void)room;
  return wmemcpy(to, from, count);
}
wchar_t* __wmemmove_chk(wchar_t* to, const wchar_t* from, size_t count, size_t room) {
  (void)room;
  return wmemmove(to, from, count);
}
wchar_t* __wmemset_chk(wchar_t* to, wchar_t value, size_t count, size_t room) {
  (void)room;
  return wmemset(to, value, count);
}
int __vfprintf_chk(FILE* file, int flag, const char* format, va_list values) {
  (void)flag;
  return vfprintf(file, format, values);
}
int __fprintf_chk(FILE* file, int flag, const char* format, ...) {
  (void)flag;
  va_list values;
  va_start(values, format);
  const int length = vfprintf(file, format, values);
  va_end(values);
  return length;
}
