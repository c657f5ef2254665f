// The service manager's protocol: it names a file, a FIFO or a socket that becomes readable whenever this service is to give memory back.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>

#include "core/platform/fd.h"
#include "core/pressure/sources/fading_level.h"
#include "core/pressure/sources/service_address.h"
#include "core/pressure/sources/sources.h"

namespace ashmem_compat::pressure {
namespace {

// A PSI trigger sends at most one event in its window, which is 1 or 2 s: while the stalls go on, so does the level.
constexpr uint64_t kHoldMs = 2500;

class ServiceManagerGauge final : public Gauge {
 public:
  // `why`: what fails, as the caller finds errno.
  bool open(const ServiceAddress& address, const char** why) {
    address_ = address;
    if (S_ISSOCK(address.st.st_mode)) {
      *why = "connect";
      sockaddr_un name = {};
      name.sun_family = AF_UNIX;
      if (address.path.size() >= sizeof name.sun_path) {
        errno = ENAMETOOLONG;
        return false;
      }
      memcpy(name.sun_path, address.path.c_str(), address.path.size());
      fd_.reset(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      return fd_.valid() && connect(fd_.get(), reinterpret_cast<sockaddr*>(&name), sizeof name) == 0;
    }
    *why = "open";
    // A FIFO for writing as well, so that it does not end when the last writer goes. A file of the kernel's that others may not
    // write to sends no events, but that is for the kernel to say.
    const bool fifo = S_ISFIFO(address.st.st_mode);
    const int way = fifo || !address.write.empty() ? O_RDWR : O_RDONLY;
    fd_.reset(::open(address.path.c_str(), way | O_CLOEXEC | O_NONBLOCK));
    return fd_.valid();
  }

  // What the protocol wants written right after. False with errno.
  bool introduce() {
    const std::string& text = address_.write;
    if (text.empty()) return true;
    const ssize_t written = S_ISSOCK(address_.st.st_mode)
                                ? send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL)
                                : write(fd_.get(), text.data(), text.size());
    if (S_ISFIFO(address_.st.st_mode)) own_ = text;
    return written == static_cast<ssize_t>(text.size());
  }

  const std::string& where() const override { return address_.path; }

  bool read(uint64_t now_ms, Reading* reading) override {
    *reading = Reading{};
    if (event_) level_.raise(now_ms, Level::kMedium, kHoldMs, Level::kLow);
    event_ = false;
    level_.show(now_ms, reading);
    if (reading->level == Level::kNone && ended_) return false;
    reading->guarded = !ended_ && reading->level == Level::kNone;
    return true;
  }

  void wait_for(std::vector<pollfd>* fds) override {
    if (ended_) return;
    fds->push_back({fd_.get(), static_cast<short>(S_ISREG(address_.st.st_mode) ? POLLPRI : POLLIN), 0});
  }

  void woken(const pollfd& fd) override {
    if (S_ISREG(address_.st.st_mode)) {
      // Not read: another reader of a PSI file starves its triggers. POLLERR: its cgroup was removed, or it was told of no trigger,
      // and then it says so for ever.
      if (fd.revents & (POLLERR | POLLNVAL)) {
        ended_ = true;
      } else if (fd.revents & POLLPRI) {
        event_ = true;
      }
      return;
    }
    drain();
  }

 private:
  // Reads until there is no more. What comes out of a FIFO first may be what this process has written itself, if the other side has
  // not read it.
  void drain() {
    char bytes[512];
    for (;;) {
      const ssize_t got = ::read(fd_.get(), bytes, sizeof bytes);
      if (got > 0) {
        size_t length = static_cast<size_t>(got);
        const size_t own = std::min(length, own_.size());
        if (memcmp(bytes, own_.data(), own) == 0) {
          own_.erase(0, own);
          length -= own;
        }
        if (length != 0) {
          event_ = true;
          own_.clear();
        }
        continue;
      }
      if (got < 0 && errno == EINTR) continue;
      if (got == 0 || errno != EAGAIN) ended_ = true;
      return;
    }
  }

  ServiceAddress address_;
  Fd fd_;
  std::string own_;  // what this process has written into a FIFO and not yet found there again
  FadingLevel level_;
  bool event_ = false, ended_ = false;
};

class ServiceManager final : public Source {
 public:
  const char* name() const override { return "service-manager"; }

  // Writes nothing: a FIFO would keep it.
  SourceReport probe() const override {
    const ServiceAddress address = service_address();
    if (!address.usable) return {false, address.reason};
    ServiceManagerGauge gauge;
    const char* why = "";
    if (!gauge.open(address, &why)) {
      return {false,
              "MEMORY_PRESSURE_WATCH: " + std::string(why) + " " + address.path + ": " + strerror(errno)};
    }
    return {true, "MEMORY_PRESSURE_WATCH is " + address.path};
  }

  std::vector<std::unique_ptr<Gauge>> open() const override {
    std::vector<std::unique_ptr<Gauge>> gauges;
    const ServiceAddress address = service_address();
    auto gauge = std::make_unique<ServiceManagerGauge>();
    const char* why = "";
    if (address.usable && gauge->open(address, &why) && gauge->introduce())
      gauges.push_back(std::move(gauge));
    return gauges;
  }
};

}  // namespace

const Source* service_manager_source() {
  static const ServiceManager source;
  return &source;
}

}  // namespace ashmem_compat::pressure
