#include <algorithm>
#include <bit>
#include <set>

#include "engine/crypto/hash.h"
#include "tests/engine/protect/world.h"

namespace khipu::protect {
namespace {

constexpr IndexRule kExact{codec::BlindIndex::kExact, 0};
constexpr IndexRule kNgram3{codec::BlindIndex::kNgram, 3};
constexpr FieldName kEmail{"user", "email"};
constexpr uint32_t kDayOne = 20'000;

std::vector<Token> tokens_of(Sealer& sealer, const FieldName& name, const IndexRule& rule, std::string_view text) {
  std::vector<Token> tokens;
  REQUIRE(sealer.tokens(name, rule, text, tokens).ok());
  return tokens;
}
bool found(const TokenProbe& probe, const std::vector<Token>& kept) {
  return std::all_of(probe.all_of.begin(), probe.all_of.end(), [&](const std::vector<Token>& any) {
    return std::any_of(any.begin(), any.end(),
                       [&](const Token& token) { return std::find(kept.begin(), kept.end(), token) != kept.end(); });
  });
}

TEST_CASE("search: a value is found over all the days it was written on, and only it") {
  World world;
  const auto sealer = world.sealer();
  const Searcher searcher = world.searcher();
  CHECK(searcher.first_day() == kDayOne);
  std::vector<std::vector<Token>> kept;
  for (uint32_t day = 0; day < 5; ++day) {
    REQUIRE(sealer->begin_batch(kNoonUs + day * kOneDayUs).ok());
    CHECK(sealer->epoch_day() == kDayOne + day);
    kept.push_back(tokens_of(*sealer, kEmail, kNgram3, "Alice@Example.org"));
  }
  const auto probe = [&](Compare compare, std::string_view text, uint32_t first, uint32_t last) {
    const auto result = searcher.probe(kEmail, kNgram3, compare, text, {first, last});
    REQUIRE(result.ok());
    return *result;
  };
  for (const auto& tokens : kept) {
    CHECK(found(probe(Compare::kContains, "EXAMPLE", kDayOne, kDayOne + 4), tokens));
    CHECK_FALSE(found(probe(Compare::kContains, "exemple", kDayOne, kDayOne + 4), tokens));
  }
  CHECK_FALSE(found(probe(Compare::kContains, "example", kDayOne + 1, kDayOne + 4), kept[0]));
  CHECK(found(probe(Compare::kContains, "example", kDayOne + 4, kDayOne + 4), kept[4]));
  CHECK_FALSE(found(probe(Compare::kContains, "example", kDayOne, kDayOne + 3), kept[4]));
}

TEST_CASE("search: sealer and searcher make the same tokens of a value") {
  World world;
  const auto sealer = world.sealer();
  const Searcher searcher = world.searcher();
  REQUIRE(sealer->begin_batch(kNoonUs + 3 * kOneDayUs).ok());
  for (const IndexRule& rule : {kExact, kNgram3, IndexRule{codec::BlindIndex::kPrefix, 4}}) {
    for (const char* text : {"", "ab", "Zürich", "banana banana"}) {
      const auto tokens = searcher.tokens_of_value(kEmail, rule, text, kDayOne + 3);
      REQUIRE(tokens.ok());
      CHECK(*tokens == tokens_of(*sealer, kEmail, rule, text));
    }
  }
}

TEST_CASE("search: a writer's clock that runs behind uses its first day, and is found") {
  World world;
  const auto sealer = world.sealer(kDayOneUs - 5 * kOneDayUs);
  REQUIRE(sealer->begin_batch(kDayOneUs - 5 * kOneDayUs).ok());
  const auto kept = tokens_of(*sealer, kEmail, kExact, "a");
  const auto probe = world.searcher().probe(kEmail, kExact, Compare::kExactCi, "A", {kDayOne - 5, kDayOne - 5});
  REQUIRE(probe.ok());
  CHECK(probe->exact);
  CHECK(found(*probe, kept));
}

TEST_CASE(
    "search: the day of the newest tokens is stated with them, wherever the clock stood, and no other is used up") {
  World world;
  constexpr TimeUs kAhead = kNoonUs + 30 * kOneDayUs;
  const Buffer before = world.disk.read("keys-side/token-day.key");
  { const auto looked = world.sealer(kAhead); }  // a start alone uses up no day
  CHECK(world.disk.read("keys-side/token-day.key") == before);
  const auto sealer = world.sealer(kAhead);
  (void)sealer->take_due();
  const auto days = [&] {
    std::vector<uint32_t> stated;
    for (const codec::KeyStatement& statement : sealer->take_due()) {
      if (statement.action == codec::KeyAction::kTokenDay) stated.push_back(statement.day);
    }
    return stated;
  };
  const auto find = [&](const std::vector<Token>& kept) {
    const auto probe =
        world.searcher().probe(kEmail, kExact, Compare::kExactCi, "a", {kDayOne, sealer->log().token_day()});
    REQUIRE(probe.ok());
    return found(*probe, kept);
  };
  REQUIRE(sealer->begin_batch(kAhead).ok());
  CHECK(days().empty());  // no token, no statement
  CHECK(find(tokens_of(*sealer, kEmail, kExact, "a")));
  CHECK(days() == std::vector<uint32_t>{kDayOne + 30});
  // Set back the chain stays where it is, and so does what is stated.
  REQUIRE(sealer->begin_batch(kNoonUs).ok());
  CHECK(find(tokens_of(*sealer, kEmail, kExact, "a")));
  CHECK(days().empty());
  CHECK(sealer->log().token_day() == kDayOne + 30);
}

TEST_CASE("search: the writer holds no token key older than today, on disk or derived") {
  World world;
  const auto sealer = world.sealer();
  const Buffer yesterday_file = world.disk.read("keys-side/token-day.key");
  const auto yesterday = crypto::parse_key(yesterday_file);
  REQUIRE(yesterday.ok());
  const auto kept = tokens_of(*sealer, kEmail, kExact, "alice");
  REQUIRE(sealer->begin_batch(kNoonUs + kOneDayUs).ok());
  const auto today = crypto::parse_key(world.disk.read("keys-side/token-day.key"));
  REQUIRE(today.ok());
  CHECK(today->created == kDayOneUs + kOneDayUs);
  CHECK_FALSE(crypto::equal_constant_time(today->bytes.bytes(), yesterday->bytes.bytes()));
  // No file of the writer's holds yesterday's key in any form, and today's sealer makes other tokens.
  const std::string encoded = base64(yesterday->bytes.bytes());
  for (const std::string& path : world.disk.files()) {
    const Buffer bytes = world.disk.read(path);
    CHECK(as_text(bytes).find(encoded) == std::string_view::npos);
    CHECK(std::search(bytes.begin(), bytes.end(), yesterday->bytes.bytes().begin(), yesterday->bytes.bytes().end()) ==
          bytes.end());
  }
  CHECK(tokens_of(*sealer, kEmail, kExact, "alice") != kept);
  // Going back is no way: a clock set back keeps today's key.
  REQUIRE(sealer->begin_batch(kNoonUs).ok());
  CHECK(tokens_of(*sealer, kEmail, kExact, "alice") != kept);
  // And a clock ten years ahead would use up the chain: refused.
  CHECK(sealer->begin_batch(kNoonUs + 4000 * kOneDayUs).error().code == Code::kInvalid);
}

TEST_CASE("search: the day's key is on the disk before a token is made with it, through any failure") {
  for (uint64_t n = 1; n <= 4; ++n) {
    World world;
    const auto sealer = world.sealer();
    world.disk.fail_nth(n, Code::kIo);
    const auto stepped = sealer->begin_batch(kNoonUs + kOneDayUs);
    const uint32_t day = sealer->epoch_day();
    CHECK(day == (stepped.ok() ? kDayOne + 1 : kDayOne));
    const auto on_disk = crypto::parse_key(world.disk.read("keys-side/token-day.key"));
    REQUIRE(on_disk.ok());
    CHECK(on_disk->created >= static_cast<TimeUs>(day) * kOneDayUs);
  }
}

TEST_CASE("search: tokens of equal values are uncorrelated across days, fields, types and indexes") {
  World world;
  const Searcher searcher = world.searcher();
  // Tokens of one value in 64 x 2 x 2 x 3 places: all different, and every pair differs in half its bits, as tokens of
  // different values do. 294,528 pairs of 64 bits: mean 32 +- 0.05 is more than 6 standard deviations wide.
  std::vector<uint64_t> tokens;
  for (uint32_t day = 0; day < 64; ++day) {
    for (const char* type : {"user", "service"}) {
      for (const char* field : {"email", "name"}) {
        for (const IndexRule& rule : {kExact, kNgram3, IndexRule{codec::BlindIndex::kPrefix, 9}}) {
          const auto made = searcher.tokens_of_value({type, field}, rule, "al", kDayOne + day);
          REQUIRE(made.ok());
          tokens.push_back(load_le<uint64_t>(made->front().data()));
        }
      }
    }
  }
  CHECK(std::set<uint64_t>(tokens.begin(), tokens.end()).size() == tokens.size());
  double sum = 0, squares = 0, pairs = 0;
  int least = 64;
  for (size_t i = 0; i < tokens.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      const int distance = std::popcount(tokens[i] ^ tokens[j]);
      sum += distance;
      squares += distance * distance;
      pairs += 1;
      least = std::min(least, distance);
    }
  }
  const double mean = sum / pairs;
  CHECK(std::abs(mean - 32) < 0.05);
  CHECK(std::abs(squares / pairs - mean * mean - 16) < 0.5);  // binomial(64, 1/2): variance 16
  CHECK(least >= 8);
  // Each bit is one in half of them: 768 tokens, six standard deviations are 83.
  for (int bit = 0; bit < 64; ++bit) {
    const auto ones = std::count_if(tokens.begin(), tokens.end(), [&](uint64_t t) { return t >> bit & 1; });
    CHECK(std::abs(static_cast<double>(ones) - 384) < 84);
  }
}

TEST_CASE("search: a thousand days of one value take three keyed hashes a day") {
  World world;
  const Searcher searcher = world.searcher();
  const auto probe = searcher.probe(kEmail, kExact, Compare::kExactCi, "alice", {kDayOne, kDayOne + 999});
  REQUIRE(probe.ok());
  REQUIRE(probe->all_of.size() == 1);
  CHECK(probe->all_of[0].size() == 1000);
  CHECK(probe->hashes == 3000);  // the day's key, the index's, the token: 1.2 ms (tests/bench, "Protection")
  // More terms share the keys, and days outside the range cost their step in the chain alone.
  const auto grams = searcher.probe(kEmail, {codec::BlindIndex::kNgram, 3}, Compare::kContains, "alice",
                                    {kDayOne + 990, kDayOne + 999});
  REQUIRE(grams.ok());
  CHECK(grams->hashes == 1000 + 10 * (1 + 3));
}

TEST_CASE("search: digests are found under every key version held, and differ by field, type and kind") {
  World world;
  const auto first = world.sealer()->digest(kEmail, codec::ValueKind::kText, as_bytes("alice"));
  world.digests.push_back(make_key(crypto::KeyKind::kDigest, "test", 2, kNoonUs, 0xD2));
  world.hand_out();
  const auto sealer = world.sealer();
  const auto second = sealer->digest(kEmail, codec::ValueKind::kText, as_bytes("alice"));
  REQUIRE((first.ok() && second.ok()));
  CHECK(parse_digest(*first)->key_version == 1);
  CHECK(parse_digest(*second)->key_version == 2);
  const auto held = world.searcher().digests(kEmail, codec::ValueKind::kText, as_bytes("alice"));
  REQUIRE(held.ok());
  CHECK(*held == std::vector{*first, *second});
  for (const FieldName& other : {FieldName{"user", "name"}, FieldName{"service", "email"}}) {
    CHECK(*sealer->digest(other, codec::ValueKind::kText, as_bytes("alice")) != *second);
  }
  CHECK(*sealer->digest(kEmail, codec::ValueKind::kJson, as_bytes("alice")) != *second);
  CHECK(*sealer->digest(kEmail, codec::ValueKind::kText, as_bytes("Alice")) != *second);
}

TEST_CASE("search: without the role's keys it is forbidden, and the message tells what is missing") {
  const Searcher nobody = Searcher::open({}).value();
  CHECK(nobody.probe(kEmail, kExact, Compare::kExactCi, "a", {1, 2}).error().code == Code::kForbidden);
  CHECK(nobody.digests(kEmail, codec::ValueKind::kText, {}).error().code == Code::kForbidden);
  CHECK_FALSE(nobody.has_tokens());
}

TEST_CASE("fingerprint: the same after a restart, another for another entity, field, kind or value") {
  World world;
  const auto of = [&](const FieldName& name, std::string_view id, codec::ValueKind kind, std::string_view text) {
    return world.sealer()->fingerprint(name, id, kind, as_bytes(text)).value();
  };
  const auto text = codec::ValueKind::kText;
  const Fingerprint first = of(kEmail, "u-1", text, "alice");
  CHECK(first == of(kEmail, "u-1", text, "alice"));
  CHECK(first != of(kEmail, "u-2", text, "alice"));
  CHECK(first != of({"user", "name"}, "u-1", text, "alice"));
  CHECK(first != of({"service", "email"}, "u-1", text, "alice"));
  CHECK(first != of(kEmail, "u-1", codec::ValueKind::kJson, "alice"));
  CHECK(first != of(kEmail, "u-1", text, "alicf"));
}

TEST_CASE("search: keys of several folders count whichever comes first, and the oldest root says where days begin") {
  World world;
  const auto sealer = world.sealer();
  const auto kept = tokens_of(*sealer, kEmail, kExact, "a");
  for (const bool newest_first : {false, true}) {
    SearchRing ring;
    ring.token_roots.push_back(copy_of(world.token_root));
    ring.token_roots.push_back(make_key(crypto::KeyKind::kTokenRoot, "test", 2, kDayOneUs + 5 * kOneDayUs, 0x52));
    ring.digests.push_back(copy_of(world.digests[0]));
    ring.digests.push_back(make_key(crypto::KeyKind::kDigest, "test", 2, kDayOneUs, 0xD2));
    if (newest_first) std::reverse(ring.token_roots.begin(), ring.token_roots.end());
    if (newest_first) std::reverse(ring.digests.begin(), ring.digests.end());
    ring.token_roots.push_back(copy_of(world.token_root));  // a copy in another folder
    const Searcher searcher = Searcher::open(std::move(ring)).value();
    CHECK(searcher.first_day() == kDayOne);
    const EpochRange days{searcher.first_day(), kDayOne + 6};
    CHECK(found(searcher.probe(kEmail, kExact, Compare::kExactCi, "a", days).value(), kept));
    const auto digests = searcher.digests(kEmail, codec::ValueKind::kText, as_bytes("a")).value();
    REQUIRE(digests.size() == 2);
    CHECK(parse_digest(digests[0])->key_version == 1);
    CHECK(parse_digest(digests[1])->key_version == 2);
  }
}

TEST_CASE("search: a root that was made on an earlier day than an older version still counts from its own day") {
  SearchRing ring;
  ring.token_roots.push_back(make_key(crypto::KeyKind::kTokenRoot, "test", 1, kDayOneUs, 0x51));
  ring.token_roots.push_back(make_key(crypto::KeyKind::kTokenRoot, "test", 2, kDayOneUs - 2 * kOneDayUs, 0x52));
  CHECK(Searcher::open(std::move(ring))->first_day() == kDayOne - 2);
}

TEST_CASE("search: two different keys of one version are refused") {
  World world;
  for (const int which : {0, 1, 2}) {
    SearchRing ring;
    ring.token_roots.push_back(copy_of(world.token_root));
    ring.digests.push_back(copy_of(world.digests[0]));
    if (which == 0) ring.token_roots.push_back(make_key(crypto::KeyKind::kTokenRoot, "test", 1, kDayOneUs, 0x77));
    if (which == 1) {
      ring.token_roots.push_back(make_key(crypto::KeyKind::kTokenRoot, "test", 1, kDayOneUs + kOneDayUs, 0x51));
    }
    if (which == 2) ring.digests.push_back(make_key(crypto::KeyKind::kDigest, "test", 1, kDayOneUs, 0x77));
    const auto opened = Searcher::open(std::move(ring));
    REQUIRE_FALSE(opened.ok());
    CHECK(opened.error().code == Code::kConflict);
    CHECK(opened.error().message.find("version 1") != std::string::npos);
  }
}

}  // namespace
}  // namespace khipu::protect
