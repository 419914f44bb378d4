// Proof documents of a real writer's log with several publications: what can be proven is right, at every checkpoint
// that covers it, and no document that was changed is.
#include "engine/query/prove.h"

#include <nlohmann/json.hpp>
#include <set>

#include "engine/proof/check.h"
#include "engine/snapshot/checkpoints.h"
#include "tests/engine/query/test_log.h"
#include "tests/support/thorough.h"

namespace khipu::query::tests {
namespace {

using Json = nlohmann::ordered_json;

// Four publications, several segments.
struct PublishedLog {
  PublishedLog() {
    for (const size_t events : {3, 14, 1, 40}) {
      for (size_t i = 0; i < events; ++i) {
        const std::string n = std::to_string(count++);
        log.add({.actor = user("u-" + std::to_string(count % 3)),
                 .action = "PUT",
                 .targets = {doc("d-" + std::to_string(count % 5), "name " + n)},
                 .text = "text " + n});
      }
      log.wait_until_indexed();  // or the next life would have that to publish, at a time of its own
      log.restart();             // closing publishes
      sizes.push_back(count);
    }
    const auto snapshot = log.store().snapshot();
    REQUIRE(snapshot.ok());
    REQUIRE(log.disk().exists("root/logs/seg-0000000002.log"));
    key = {(*snapshot)->genesis().origin, tree::KeyType::kEd25519, (*snapshot)->genesis().verifier};
    const auto keep = [&](uint64_t, tree::Publication& publication) {
      publications.push_back(publication);
      return true;
    };
    REQUIRE(snapshot::each_publication(log.store().root(), key.name, snapshot::CheckpointLogPart::kAll, keep).ok());
    REQUIRE(publications.size() >= sizes.size());
  }
  TestLog log{3000};
  uint64_t count = 0;
  std::vector<uint64_t> sizes;  // of logs/, published
  tree::VerifierKey key;
  std::vector<tree::Publication> publications;
};
PublishedLog& published() {
  static PublishedLog made;
  return made;
}

template <typename T>
T made(Result<T> result) {
  INFO((result.ok() ? "" : result.error().message));
  REQUIRE(result.ok());
  return std::move(result).value();
}

bool right(const proof::Document& document) {
  return std::visit([&](const auto& bundle) { return proof::check(bundle, published().key).right; }, document);
}

TEST_CASE("prove: every event, at every published size and number that covers it, and at none that does not") {
  PublishedLog& log = published();
  for (const uint64_t size : log.sizes) {
    for (uint64_t seq = 0; seq < log.count; ++seq) {
      CAPTURE(size, seq);
      const auto bundle = prove_event(log.log.store(), Row{seq}, {std::nullopt, size});
      if (seq >= size) {
        CHECK(bundle.error().code == Code::kNotFound);
        continue;
      }
      REQUIRE(bundle.ok());
      const proof::CheckedEvent checked = proof::check(*bundle, log.key);
      CHECK(checked.right);
      CHECK(checked.table.size == size);
      CHECK(checked.pinned.size() == 2);
      CHECK(checked.event.content.size() == std::string("text ").size() + std::to_string(seq).size());
    }
  }
  for (uint64_t number = 1; number <= log.publications.size(); ++number) {
    const auto bundle = prove_event(log.log.store(), Row{0}, {number, std::nullopt});
    if (!bundle.ok()) {  // published before there was an event
      CHECK(bundle.error().code == Code::kNotFound);
      continue;
    }
    CHECK(proof::check(*bundle, log.key).meta.size == log.publications[number - 1].meta().checkpoint.size);
  }
  CHECK(prove_event(log.log.store(), Row{0}, {0, std::nullopt}).error().code == Code::kNotFound);
  CHECK(prove_event(log.log.store(), Row{0}, {log.publications.size() + 100, std::nullopt}).error().code ==
        Code::kNotFound);
  // A slow machine publishes also in the midst of a life, but never at each size.
  std::set<uint64_t> published_sizes;
  for (const tree::Publication& publication : log.publications) {
    for (const tree::PublishedNote& note : publication.notes) {
      if (note.table(log.key.name) == "logs") published_sizes.insert(note.checkpoint.size);
    }
  }
  uint64_t between = 1;
  while (published_sizes.contains(between)) ++between;
  REQUIRE(between < log.count);
  const auto nowhere = prove_event(log.log.store(), Row{0}, {std::nullopt, between});
  REQUIRE_FALSE(nowhere.ok());
  CHECK(nowhere.error().code == Code::kNotFound);
  CHECK(prove_event(log.log.store(), Row{log.count}, {}).error().code == Code::kNotFound);
}

TEST_CASE("prove: consistency between all published sizes of every table, and of no others") {
  PublishedLog& log = published();
  for (const TableId table : {TableId::kLogs, TableId::kRegistry, TableId::kMeta}) {
    std::vector<uint64_t> sizes;
    for (const tree::Publication& publication : log.publications) {
      for (const tree::PublishedNote& note : publication.notes) {
        if (note.table(log.key.name) == (table == TableId::kMeta ? "" : table_name(table)))
          sizes.push_back(note.checkpoint.size);
      }
    }
    REQUIRE(sizes.size() >= 4);
    for (const uint64_t from : sizes) {
      for (const uint64_t to : sizes) {
        CAPTURE(table_name(table), from, to);
        const auto bundle = prove_consistency(log.log.store(), table, from, to);
        if (from > to) {
          CHECK(bundle.error().code == Code::kInvalid);
          continue;
        }
        REQUIRE(bundle.ok());
        const proof::CheckedConsistency checked = proof::check(*bundle, log.key);
        CHECK(checked.right);
        CHECK(checked.old_checkpoint.size == from);
        CHECK(checked.new_checkpoint.size == to);
        proof::ConsistencyBundle swapped = *bundle;
        std::swap(swapped.old_checkpoint, swapped.new_checkpoint);
        CHECK(proof::check(swapped, log.key).right == (from == to));
      }
    }
    // The writer publishes on, at times of its own: but nothing more below what it has.
    uint64_t unpublished = sizes.front() + 1;
    while (std::count(sizes.begin(), sizes.end(), unpublished) > 0) ++unpublished;
    if (unpublished > sizes.back()) unpublished = 1'000'000;
    const auto nowhere = prove_consistency(log.log.store(), table, sizes.front(), unpublished);
    REQUIRE_FALSE(nowhere.ok());
    CHECK(nowhere.error().code == Code::kNotFound);
  }
}

TEST_CASE("prove: ranges at the ends, of one, of all, and across segments, and no empty one") {
  PublishedLog& log = published();
  const uint64_t last = log.count;
  const std::vector<std::pair<uint64_t, uint64_t>> ranges = {{0, 1}, {0, last}, {last - 1, last}, {1, last - 1},
                                                             {7, 8}, {10, 30},  {16, 32},         {2, 3}};
  for (const auto& [from, to] : ranges) {
    for (const uint64_t size : log.sizes) {
      CAPTURE(from, to, size);
      const auto bundle = prove_range(log.log.store(), Row{from}, Row{to}, {std::nullopt, size});
      if (to > size) {
        CHECK(bundle.error().code == Code::kNotFound);
        continue;
      }
      REQUIRE(bundle.ok());
      const proof::CheckedRange checked = proof::check(*bundle, log.key);
      CHECK(checked.right);
      CHECK(checked.events.size() == to - from);
      proof::RangeBundle changed = *bundle;  // not complete
      changed.records.pop_back();
      CHECK_FALSE(proof::check(changed, log.key).right);
      changed = *bundle;  // not in order
      if (changed.records.size() > 1) {
        std::swap(changed.records.front(), changed.records.back());
        CHECK_FALSE(proof::check(changed, log.key).right);
      }
      changed = *bundle;  // elsewhere
      changed.from = changed.from.next();
      CHECK_FALSE(proof::check(changed, log.key).right);
    }
  }
  CHECK(prove_range(log.log.store(), Row{4}, Row{4}, {}).error().code == Code::kInvalid);
  CHECK(prove_range(log.log.store(), Row{5}, Row{4}, {}).error().code == Code::kInvalid);
  CHECK(prove_range(log.log.store(), Row{0}, Row{kProvenRowsMax + 1}, {}).error().code == Code::kLimit);
  CHECK(prove_range(log.log.store(), Row{0}, Row{log.count + 1}, {}).error().code == Code::kNotFound);
}

std::vector<proof::Document> documents(uint64_t seq, uint64_t size) {
  snapshot::Store& store = published().log.store();
  return {made(prove_event(store, Row{seq}, {std::nullopt, size})),
          made(prove_range(store, Row{seq}, Row{seq + 3}, {std::nullopt, size})),
          made(prove_consistency(store, TableId::kLogs, published().sizes[0], size))};
}

TEST_CASE("prove: a document with one changed byte is refused, or says the same") {
  for (const proof::Document& genuine : documents(5, published().sizes[3])) {
    const std::string text = proof::format_document(genuine);
    REQUIRE(right(*proof::parse_document(text)));
    size_t parsed = 0;
    for (size_t at = 0; at < text.size(); at += khipu::tests::stride(7)) {
      for (const char other : {static_cast<char>(text[at] ^ 1), 'A', '9', '\n'}) {
        if (other == text[at]) continue;
        std::string changed = text;
        changed[at] = other;
        const auto document = proof::parse_document(changed);
        if (!document.ok() || *document == genuine) continue;  // white space between members
        ++parsed;
        if (right(*document)) FAIL("byte " << at << " went unseen: " << text.substr(at, 60));
      }
    }
    CHECK(parsed > (khipu::tests::stride(7) == 1 ? 100 : 10));
  }
}

TEST_CASE("prove: a document with a member of another genuine one is refused") {
  const std::vector<proof::Document> mine = documents(5, published().sizes[3]);
  for (const auto& [seq, size] :
       std::vector<std::pair<uint64_t, uint64_t>>{{6, published().sizes[3]}, {5, published().sizes[1]}}) {
    const std::vector<proof::Document> theirs = documents(seq, size);
    for (size_t i = 0; i < mine.size(); ++i) {
      const Json genuine = Json::parse(proof::format_document(mine[i]));
      const Json other = Json::parse(proof::format_document(theirs[i]));
      for (const auto& [member, value] : genuine.items()) {
        CAPTURE(member, seq, size);
        Json changed = genuine;
        changed[member] = other.at(member);
        const auto document = proof::parse_document(changed.dump());
        if (changed != genuine && document.ok()) CHECK_FALSE(right(*document));
        changed = genuine;
        changed.erase(member);
        CHECK_FALSE(proof::parse_document(changed.dump()).ok());
        changed = genuine;
        changed[member + "_"] = value;
        CHECK_FALSE(proof::parse_document(changed.dump()).ok());
        changed = genuine;
        changed[member] = nullptr;
        CHECK_FALSE(proof::parse_document(changed.dump()).ok());
      }
    }
  }
}

}  // namespace
}  // namespace khipu::query::tests
