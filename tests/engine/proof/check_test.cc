// What a third party believes: genuine documents, and none that was changed anywhere.
#include "engine/proof/check.h"

#include "engine/tree/compact_range.h"
#include "engine/tree/tlog_proof.h"
#include "tests/engine/proof/made_log.h"
#include "tests/support/catch.h"
#include "tests/support/thorough.h"

using namespace khipu;
using namespace khipu::proof;
using proof::tests::MadeLog;

TEST_CASE("check: every event is right, with who and what it names") {
  MadeLog log;
  for (uint64_t seq = 0; seq < 11; ++seq) {
    const EventBundle bundle = log.bundle(seq);
    const CheckedEvent checked = check(bundle, log.key());
    CAPTURE(seq, checked.why);
    REQUIRE(checked.right);
    CHECK(checked.pinned.size() == (seq == 10 ? 3U : 1U));
    CHECK(checked.pinned.front().second.id == "u-1");
    CHECK(checked.table.size == 11);
    CHECK(checked.meta.size == 3);
  }
}

TEST_CASE("check: no bit of a document can change and leave it right with another meaning") {
  MadeLog log;
  const EventBundle genuine = log.bundle(10);
  const std::string text = format_document(genuine);
  size_t parsed_count = 0;
  for (size_t bit = 0; bit < text.size() * 8; bit += khipu::tests::stride(7)) {
    std::string changed = text;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
    const auto document = parse_document(changed);
    const auto* bundle = document.ok() ? std::get_if<EventBundle>(&*document) : nullptr;
    if (bundle == nullptr || *bundle == genuine) continue;
    ++parsed_count;
    if (check(*bundle, log.key()).right) FAIL("bit " << bit << " of the document went unseen");
  }
  CHECK(parsed_count > 1000 / khipu::tests::stride(7));
}

TEST_CASE("check: a genuine proof of something else is refused") {
  MadeLog log;
  MadeLog other;
  const auto why = [&](EventBundle bundle) { return check(bundle, log.key()).why; };
  EventBundle bundle = log.bundle(10);
  bundle.seq = Row{9};
  CHECK_THAT(why(bundle), ContainsSubstring("another row than seq"));
  bundle = log.bundle(10);
  bundle.event = log.proven(TableId::kLogs, 9);
  bundle.seq = Row{9};
  CHECK_THAT(why(bundle), ContainsSubstring("pins"));  // versions of another event
  bundle = log.bundle(10);
  bundle.pinned.pop_back();
  CHECK_THAT(why(bundle), ContainsSubstring("pins"));
  bundle = log.bundle(10);
  std::swap(bundle.pinned[0], bundle.pinned[1]);
  CHECK_THAT(why(bundle), ContainsSubstring("ascending"));
  bundle = log.bundle(10);
  bundle.table_head = log.proven(TableId::kMeta, 1);  // the head of registry
  CHECK_THAT(why(bundle), ContainsSubstring("another table"));
  bundle = log.bundle(10);
  bundle.table_head = log.proven(TableId::kMeta, 0);  // GENESIS
  CHECK_THAT(why(bundle), ContainsSubstring("another statement"));
  bundle = log.bundle(10);
  bundle.event = log.proven(TableId::kRegistry, 6);  // a version in the place of the event
  CHECK_FALSE(check(bundle, log.key()).right);
  CHECK_FALSE(check(other.bundle(10), log.key()).right);
  CHECK_THAT(check(other.bundle(10), log.key()).why, ContainsSubstring("not signed by the key that was given"));
  // Signed by the right key for logs, but never said in meta: a second history beside the first.
  bundle = log.bundle(3);
  tree::TlogProof proof = tree::parse_tlog_proof(bundle.event.proof).value();
  MadeLog fork = log;
  fork.table(TableId::kLogs).rows.pop_back();
  proof.path = fork.table(TableId::kLogs).path(3);
  proof.checkpoint = fork.checkpoint(TableId::kLogs);
  bundle.event.proof = tree::format_tlog_proof(proof);
  CHECK_THAT(why(bundle), ContainsSubstring("another table, size or root"));
}

TEST_CASE("check: a range is complete and in order, or refused") {
  MadeLog log;
  for (uint64_t from = 0; from < 11; ++from) {
    for (uint64_t to = from + 1; to <= 11; ++to) {
      const RangeBundle range = log.range(from, to);
      const CheckedRange checked = check(range, log.key());
      CAPTURE(from, to, checked.why);
      CHECK(checked.right);
      CHECK(checked.events.size() == to - from);
      RangeBundle changed = range;
      changed.records.erase(changed.records.begin());
      CHECK_FALSE(check(changed, log.key()).right);
      changed = range;
      changed.from.value += 1;
      CHECK_FALSE(check(changed, log.key()).right);
      if (to - from < 2) continue;
      changed = range;
      std::swap(changed.records[0], changed.records[1]);
      CHECK_FALSE(check(changed, log.key()).right);
    }
  }
  RangeBundle longer = log.range(2, 5);
  longer.left.push_back(Hash{});
  CHECK_FALSE(check(longer, log.key()).right);
  longer = log.range(2, 5);
  longer.right.pop_back();
  CHECK_FALSE(check(longer, log.key()).right);
}

TEST_CASE("check: a later checkpoint extends an earlier one of the same table, or is refused") {
  MadeLog log;
  MadeLog earlier = log;
  earlier.table(TableId::kLogs).rows.resize(4);
  auto source = log.table(TableId::kLogs).levels();
  ConsistencyBundle bundle{earlier.checkpoint(TableId::kLogs), log.checkpoint(TableId::kLogs),
                           tree::prove_consistency(4, 11, source).value()};
  const CheckedConsistency checked = check(bundle, log.key());
  CHECK(checked.right);
  CHECK(checked.old_checkpoint.size == 4);
  std::swap(bundle.old_checkpoint, bundle.new_checkpoint);
  CHECK_FALSE(check(bundle, log.key()).right);
  std::swap(bundle.old_checkpoint, bundle.new_checkpoint);
  bundle.new_checkpoint = log.checkpoint(TableId::kRegistry);
  CHECK_FALSE(check(bundle, log.key()).right);
  bundle.new_checkpoint = log.checkpoint(TableId::kLogs);
  earlier.table(TableId::kLogs).rows[2].back() ^= 1;
  bundle.old_checkpoint = earlier.checkpoint(TableId::kLogs);
  CHECK_FALSE(check(bundle, log.key()).right);
  const std::string empty = log.sign("log.example/audit/logs", 0, tree::empty_root());
  CHECK(check(ConsistencyBundle{empty, log.checkpoint(TableId::kLogs), {}}, log.key()).right);
  CHECK_FALSE(check(ConsistencyBundle{empty, log.checkpoint(TableId::kLogs), {Hash{}}}, log.key()).right);
}

TEST_CASE("compact range: with what is around it, every range of every size makes the root") {
  for (uint64_t size = 0; size <= 70; ++size) {
    std::vector<Hash> leaves;
    tree::Builder builder;
    for (uint64_t i = 0; i < size; ++i) {
      leaves.push_back(tree::leaf_hash(as_bytes(std::to_string(i))));
      builder.append(leaves.back());
    }
    auto source = khipu::tests::MemoryLevels::of(leaves);
    for (uint64_t from = 0; from <= size; ++from) {
      const auto left = tree::compact_range(0, from, source).value();
      for (uint64_t to = from; to <= size; ++to) {
        const auto right = tree::compact_range(to, size, source).value();
        const auto range = std::span(leaves).subspan(from, to - from);
        if (tree::root_with_range(size, from, range, left, right) != builder.root()) FAIL(size << from << to);
        if (to > from && tree::root_with_range(size, from + 1, range, left, right)) {
          CHECK(tree::root_with_range(size, from + 1, range, left, right) != builder.root());
        }
      }
    }
  }
}
