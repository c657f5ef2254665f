// A slot that its owner has given back, one who would clear what that owner has left there, and the next one to want it.
#pragma once

#include <functional>

#include "litmus.h"

namespace litmus {

struct FreedSlot {
  FreedSlot() {
    gone.attach();
    recoverer.attach();
    gone.slots().release();
    life = region.control().slot(0)->life;
  }
  bool recover(const std::function<void()>& clear) { return recoverer.slots().recover(0, life, clear); }

  Shared region;
  Peer gone{region}, recoverer{region}, next{region};
  uint64_t life;
};

}  // namespace litmus
