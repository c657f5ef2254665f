// What a region object needs of a shared region whether or not it may write: looking at units, never changing them.
#pragma once

#include "core/pins/attachment.h"
#include "core/pins/control.h"
#include "core/pins/pin_table.h"
#include "core/platform/fd.h"
#include "core/region.h"
#include "core/shared_file.h"

namespace ashmem_compat {

class SharedRegionBase : public Region {
 public:
  int fd() const override { return fd_.get(); }
  bool purgeable() const override { return fd_.valid() && ops_.purgeable(fd_.get()); }

  Status begin_read(uint64_t offset, uint64_t length, ReadTicket* ticket) override;
  bool end_read(uint64_t offset, uint64_t length, const ReadTicket& ticket) override;
  bool kernel_discards() const override { return ops_.kernel != nullptr; }
  bool touches_fault() const override {
    return ops_.kernel && ops_.kernel->faults && Attachment::touches_fault();
  }
  Status pinned(uint64_t offset, uint64_t length, bool* pinned) override;
  Status stats(RegionStats* stats) override;

 protected:
  SharedRegionBase(const SharedFileOps& ops, Fd fd, std::string name, const Layout& layout,
                   const RegionOptions& options);

  // kRegionClosed or kForked when the object can do nothing any more.
  virtual Status usable() const = 0;
  virtual const Control& control() const = 0;
  virtual Slots& slots() = 0;
  virtual PinTable& table() = 0;

  const SharedFileOps& ops_;
  Fd fd_;
  const uint32_t busy_timeout_ms_;

  Status look(uint64_t first, uint64_t count, bool last, std::vector<uint64_t>* units) override;

 private:
  bool readable(uint64_t first, uint64_t count, uint64_t* generations);
};

}  // namespace ashmem_compat
