// A region with two peers of which one has the last slot in unit words, and the other the first in rows.
#pragma once

#include <memory>
#include <vector>

#include "litmus.h"

namespace litmus {

struct Crowd {
  explicit Crowd(const KernelPins* kernel = nullptr) : low(region, kernel), high(region, kernel) {
    while (idle.size() < kSlotsInUnitWord - 1) {
      idle.push_back(std::make_unique<Peer>(region));
      idle.back()->attach();
    }
    low.attach();
    high.attach();
    MUST(high.slots().own() == kSlotsInUnitWord);
  }

  Shared region{kSlotsInUnitWord + 4};
  std::vector<std::unique_ptr<Peer>> idle;
  Peer low, high;
};

}  // namespace litmus
