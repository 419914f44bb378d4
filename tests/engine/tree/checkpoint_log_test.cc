// checkpoints.log: what is appended is read back, a torn end is told from a strange one, and order is a rule.
#include "engine/tree/checkpoint_log.h"

#include "engine/tree/tree.h"
#include "tests/support/catch.h"

using namespace khipu;

static std::string published(const std::string& origin, uint64_t size) {
  static const crypto::SigningKey key = [] {
    auto made = crypto::SigningKey::from_seed(crypto::SecretBytes::copy_of(Buffer(crypto::kSeedSize, 7)));
    REQUIRE(made.ok());
    return std::move(*made);
  }();
  tree::Note note{tree::format_checkpoint({origin, size, tree::empty_root(), {}}), {}};
  tree::sign_note(note, "log.example/a", key);
  return tree::format_published(note);
}

static const std::string kOrigin = "log.example/a";

TEST_CASE("checkpoint log: publications come back in order, each closed by the note of meta") {
  const std::string first = published(kOrigin, 1);
  const std::string second = published(kOrigin + "/registry", 2) + published(kOrigin + "/access", 3);
  const tree::CheckpointLog log = tree::parse_checkpoint_log(first + second + published(kOrigin, 4), kOrigin);
  CHECK(log.fault.empty());
  CHECK(log.end == first.size() + second.size() + published(kOrigin, 4).size());
  REQUIRE(log.publications.size() == 2);
  CHECK(log.publications[0].notes.size() == 1);
  CHECK(log.publications[0].meta().checkpoint.size == 1);
  REQUIRE(log.publications[1].notes.size() == 3);
  CHECK(log.publications[1].notes[0].table(kOrigin) == "registry");
  CHECK(log.publications[1].notes[1].table(kOrigin) == "access");
  CHECK(log.publications[1].notes[1].checkpoint.size == 3);
  CHECK(log.publications[1].meta().table(kOrigin).empty());
  CHECK(log.publications[1].notes[0].offset == first.size());
  std::string again;
  for (const tree::Publication& publication : log.publications) {
    for (const tree::PublishedNote& note : publication.notes) again += tree::format_published(note.note);
  }
  CHECK(again == first + second + published(kOrigin, 4));
}

TEST_CASE("checkpoint log: an empty one has no publications and no fault") {
  const tree::CheckpointLog log = tree::parse_checkpoint_log("", kOrigin);
  CHECK(log.publications.empty());
  CHECK(log.fault.empty());
}

TEST_CASE("checkpoint log: cut anywhere, the whole publications stay and the rest is a torn end") {
  const std::string first = published(kOrigin, 1);
  const std::string all = first + published(kOrigin + "/logs", 2) + published(kOrigin, 3);
  for (size_t size = first.size() + 1; size < all.size(); ++size) {
    const tree::CheckpointLog log = tree::parse_checkpoint_log(all.substr(0, size), kOrigin);
    CAPTURE(size);
    REQUIRE(log.publications.size() == 1);
    REQUIRE(log.end == first.size());
    REQUIRE(log.torn);
    REQUIRE_FALSE(log.fault.empty());
  }
}

TEST_CASE("checkpoint log: what no writer would put there is a fault with its place, not a torn end") {
  const std::string first = published(kOrigin, 1);
  const auto fault = [&](const std::string& rest) {
    const tree::CheckpointLog log = tree::parse_checkpoint_log(first + rest, kOrigin);
    CHECK(log.publications.size() == 1);
    CHECK_FALSE(log.torn);
    return log.fault;
  };
  const std::string at = "byte " + std::to_string(first.size());
  CHECK(fault(published("log.example/b", 2)).starts_with(at));
  CHECK(fault(published(kOrigin + "/meta", 2)).starts_with(at));
  CHECK(fault(published(kOrigin + "x/logs", 2)).starts_with(at));
  CHECK(fault("\n" + published(kOrigin, 2)).starts_with(at));
  CHECK_FALSE(fault(published(kOrigin + "/logs", 2) + published(kOrigin + "/registry", 2)).empty());
  CHECK_FALSE(fault(published(kOrigin + "/logs", 2) + published(kOrigin + "/logs", 2)).empty());
  std::string extended = published(kOrigin, 2);
  extended.insert(extended.find("\n\n") + 1, "extension\n");
  CHECK(fault(extended).find("extension") != std::string::npos);
}

TEST_CASE("checkpoint log: one that is larger than its window is read as it is when it lies in memory") {
  const std::string publication = published(kOrigin + "/logs", 2) + published(kOrigin, 3);
  const uint64_t count = 2 * (uint64_t{8} << 20) / publication.size() + 7;  // over two windows
  std::string log;
  for (uint64_t i = 0; i < count; ++i) log += publication;
  const auto read = [&](uint64_t offset, std::span<uint8_t> into) -> Result<void> {
    REQUIRE(offset + into.size() <= log.size());
    std::copy_n(as_bytes(log).begin() + static_cast<ptrdiff_t>(offset), into.size(), into.begin());
    return {};
  };
  uint64_t seen = 0, last = count + 1;
  const auto visit = [&](uint64_t number, tree::Publication& one) {
    REQUIRE(number == ++seen);
    REQUIRE(one.notes.front().offset == (number - 1) * publication.size());
    REQUIRE(one.meta().checkpoint.size == 3);
    return number < last;
  };
  const auto scan = [&] {
    seen = 0;
    return tree::scan_checkpoint_log(log.size(), kOrigin, read, visit).value();
  };
  tree::CheckpointLog whole = scan();
  CHECK(seen == count);
  CHECK(whole.fault.empty());
  CHECK(whole.end == log.size());

  last = count / 2;
  CHECK(scan().fault.empty());
  CHECK(seen == count / 2);
  last = count + 1;

  log.resize(log.size() - 5);
  whole = scan();
  CHECK(seen == count - 1);
  CHECK(whole.torn);
  CHECK(whole.end == (count - 1) * publication.size());

  const uint64_t strange = (count - 9) * publication.size();
  log[strange] = 'X';
  whole = scan();
  CHECK(seen == count - 9);
  CHECK_FALSE(whole.torn);
  CHECK_THAT(whole.fault, ContainsSubstring("of another log"));
  CHECK(whole.end == strange);
}
