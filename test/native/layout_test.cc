// Sizes, offsets and counts: what a region may be, and that no sum of them overflows.
#include "core/pins/layout.h"

#include "core/pins/words.h"
#include "core/platform/page.h"
#include "native/check.h"

using namespace ashmem_compat;

TEST(tables_follow_the_data_without_overlap) {
  for (uint64_t size :
       {uint64_t{1}, uint64_t{4095}, uint64_t{4096}, uint64_t{4097}, uint64_t{64} << 20, uint64_t{6} << 30}) {
    for (uint32_t slots : {1u, 60u, 61u, 124u, 125u, 1020u}) {
      const Result<Layout> made = make_layout(size, page_size(), slots);
      REQUIRE(made.ok());
      const Layout& l = made.value();
      CHECK(l.control_offset >= size && l.control_offset % page_size() == 0);
      CHECK_EQ(l.unit_count, (size + page_size() - 1) / page_size());
      CHECK_EQ(l.slots_offset, l.control_offset);
      CHECK(l.namespaces_offset >= l.slots_offset + slots * sizeof(Slot));
      CHECK(l.words_offset >= l.namespaces_offset + kNamespaces * 8);
      CHECK(l.rows_offset >= l.words_offset + l.unit_count * 8 && l.rows_offset % 64 == 0);
      CHECK(l.generations_offset >= l.rows_offset + uint64_t{l.row_count()} * l.row_words * 8);
      CHECK(l.stamps_offset >= l.generations_offset + l.unit_count * 4);
      CHECK(l.stamp_count() * 2 >= l.unit_count);
      CHECK(l.header_offset >= l.stamps_offset + l.stamp_count() * 4);
      CHECK_EQ(l.file_size % page_size(), uint64_t{0});
      CHECK_EQ(l.row_count(), slots <= 60 ? 0u : slots - 60);
      CHECK(l.row_count() == 0 || (l.row_words * 64 >= l.unit_count && l.row_words % 8 == 0));
      const Result<Layout> in_rows = make_layout(size, page_size(), slots, RegionKind::kPlain, 0, 0);
      REQUIRE(in_rows.ok());
      CHECK_EQ(in_rows.value().row_count(), slots);
      CHECK(in_rows.value().generations_offset >=
            in_rows.value().rows_offset + uint64_t{slots} * in_rows.value().row_words * 8);
      CHECK_EQ(l.unit_bytes(l.unit_count - 1), size - (l.unit_count - 1) * page_size());
    }
  }
}

TEST(pin_table_takes_at_most_a_256th) {
  const Result<Layout> made = make_layout(64u << 20, 4096 < page_size() ? page_size() : 4096, kDefaultSlots);
  REQUIRE(made.ok());
  CHECK(made.value().control_size() * 256 <= made.value().size);
}

TEST(impossible_numbers_are_refused) {
  const uint64_t page = page_size();
  CHECK(!make_layout(0, page, 60).ok());
  CHECK(!make_layout(1, page / 2, 60).ok());
  CHECK(!make_layout(1, page + 1, 60).ok());
  CHECK(!make_layout(1, page * 3, 60).ok());
  CHECK(!make_layout(1, 0, 60).ok());
  CHECK(!make_layout(1, page, 0).ok());
  CHECK(!make_layout(1, page, 1021).ok());
  for (uint64_t size :
       {UINT64_MAX, UINT64_MAX - page, uint64_t{1} << 63, (uint64_t{1} << 63) - 1, UINT64_MAX - 1}) {
    CHECK(!make_layout(size, page, 60).ok());
    CHECK(!make_layout(size, page, 1020).ok());
  }
  CHECK(!make_layout(1, uint64_t{1} << 63, 60).ok());
  CHECK(make_layout(1, uint64_t{1} << 40, 60).ok());
}

TEST(a_header_is_taken_only_as_a_whole) {
  const Result<Layout> made = make_layout(100000, page_size(), 70);
  REQUIRE(made.ok());
  Header good{};
  fill_header(made.value(), &good);
  const uint64_t size = made.value().file_size;
  CHECK(check_header(good, size).ok());
  CHECK_EQ(check_header(good, size + page_size()).status().code, Code::kUntrustedFd);
  CHECK_EQ(check_header(good, size - page_size()).status().code, Code::kUntrustedFd);
  // One flipped bit anywhere in the layout, and the header is refused; but where the last unit ends is the header's to say.
  for (size_t byte = 0; byte < offsetof(Header, creator); ++byte) {
    for (int bit = 0; bit < 8; ++bit) {
      Header bad = good;
      reinterpret_cast<unsigned char*>(&bad)[byte] ^= static_cast<unsigned char>(1 << bit);
      if (bad.size != good.size && bad.size <= good.control_offset &&
          bad.size > good.control_offset - good.granularity) {
        CHECK(check_header(bad, size).ok());
        continue;
      }
      if (check_header(bad, size).ok())
        check::fail(__FILE__, __LINE__, "accepted a flip in byte " + std::to_string(byte));
    }
  }
  Header moved = good;
  moved.stamps_offset += 64;
  CHECK(!check_header(moved, size).ok());
  Header long_name = good;
  long_name.name_length = kMaxName + 1;
  CHECK(!check_header(long_name, size).ok());
}

TEST(words_keep_their_fields_apart) {
  const uint64_t id = make_identity(14, 4194303, 0xffffff);
  for (uint64_t epoch : {uint64_t{0}, uint64_t{1}, kEpochMask}) {
    const uint64_t life = life_word(Phase::kActive, epoch, id);
    CHECK_EQ(phase_of(life), Phase::kActive);
    CHECK_EQ(epoch_of(life), epoch);
    CHECK_EQ(identity_of(life), id);
    CHECK_EQ(pid_of(life), 4194303u);
    CHECK_EQ(namespace_of(life), 14u);
    CHECK_EQ(start_time_of(life), uint64_t{0xffffff});
    const uint64_t word = purging_word(1019, life);
    CHECK_EQ(state_of(word), UnitState::kPurging);
    CHECK_EQ(purger_slot(word), 1019u);
    CHECK_EQ(tag_of_purger(word), purger_tag(life));
    CHECK((word & kReleased) != 0);
  }
  CHECK_EQ(epoch_of(life_word(Phase::kFree, kEpochMask + 1, 0)), uint64_t{0});
}

TEST(pages_of_16_and_64_kib) {
  for (size_t page : {size_t{16384}, size_t{65536}}) {
    if (page < kernel_page_size()) continue;
    set_page_size_for_tests(page);
    CHECK(!make_layout(1 << 20, page / 2, 60).ok());
    const Result<Layout> made = make_layout((1 << 20) + 1, page, 60);
    REQUIRE(made.ok());
    CHECK_EQ(made.value().control_offset, (1 << 20) + page);
    CHECK_EQ(made.value().file_size % page, size_t{0});
    set_page_size_for_tests(0);
  }
}
