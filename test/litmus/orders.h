// Which of the core's atomic operations keep their memory order, and where a thread stops on its way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

namespace litmus {

// Asked by every operation that has an order, before it is made.
bool keeps_order(const char* operation, const char* function);

// "cas_release give, load_acquire mark": these are relaxed from here on. To be called before there are threads.
void weaken(const std::string& orders);
std::vector<std::string> split(const std::string& orders);

// The calling thread runs `action` before it makes this operation the next time.
void stop_before(const char* operation, const char* function, std::function<void()> action);

// A write that the calling thread has made, and that others do not see yet, as if it were in a store buffer: until the thread's next
// write that has kept its order, or the end of its turn.
void write_late(const void* address, uint64_t value, std::function<void()> write);
void drain();
// Whether the calling thread has written to this address in that way, and what.
bool is_late(const void* address);
void read_late(const void* address, void* value, size_t size);

// What has been asked for so far by this thread, as in weaken().
const std::set<std::string>& orders_met();

}  // namespace litmus
