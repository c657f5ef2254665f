// A shared region as an object sees it that may only read: it has no slot, and writes nothing shared.
#pragma once

#include "core/mapping.h"
#include "core/shared_region_base.h"

namespace ashmem_compat {

class ReadOnlyRegion final : public SharedRegionBase {
 public:
  ReadOnlyRegion(const SharedFileOps& ops, Fd fd, std::string name, Control control,
                 const RegionOptions& options)
      : SharedRegionBase(ops, std::move(fd), std::move(name), control.layout(), options),
        control_(std::move(control)),
        slots_(control_),
        table_(control_, slots_, refusal_) {
    read_only_ = true;
  }
  ~ReadOnlyRegion() override { close(); }

  Status open() {
    Result<std::shared_ptr<Mapping>> mapping =
        Mapping::map_read_only(fd_.get(), size_, ops_.read_only_mapping);
    if (!mapping.ok()) return mapping.status();
    mapping_ = std::move(mapping.value());
    return Status::Ok();
  }

  Status pin(uint64_t offset, uint64_t length, bool*, std::vector<ByteRange>*) override {
    return refuse(offset, length);
  }
  Status unpin(uint64_t offset, uint64_t length) override { return refuse(offset, length); }
  Status purge(uint64_t offset, uint64_t length, uint64_t* bytes) override {
    *bytes = 0;
    return refuse(offset, length);
  }
  Status protect() override { return usable(); }
  Priority priority() const override {
    return usable().ok() ? priority_of(load_relaxed(&control_.header()->priority)) : Priority::kNormal;
  }
  Status set_priority(Priority) override { return refuse(0, size_); }
  Status watch_purges(PurgeListener* listener) override { return listener ? refuse(0, size_) : Status::Ok(); }
  const Control* tables() const override { return &control_; }
  void close() override {
    Mapping::close(mapping_);
    fd_.reset();
  }

 protected:
  Status usable() const override {
    return closed() ? Status::Of(Code::kRegionClosed, "the region is closed") : Status::Ok();
  }
  const Control& control() const override { return control_; }
  Slots& slots() override { return slots_; }
  PinTable& table() override { return table_; }

 private:
  struct Refusal final : Pages {
    Status discard(uint64_t, uint64_t) override { return Status::Of(Code::kReadOnly, nullptr); }
  };

  Status refuse(uint64_t offset, uint64_t length) const {
    if (Status s = usable(); !s.ok()) return s;
    uint64_t first = 0;
    uint64_t count = 0;
    if (Status s = to_units(offset, length, &first, &count); !s.ok()) return s;
    return Status::Of(Code::kReadOnly, "the region can only be read through this fd");
  }

  Control control_;
  Slots slots_;
  Refusal refusal_;
  PinTable table_;
};

}  // namespace ashmem_compat
