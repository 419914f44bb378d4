#include "engine/protect/searcher.h"

#include <algorithm>

#include "engine/crypto/hash.h"
#include "engine/protect/derive.h"

namespace khipu::protect {
namespace {

Error no_key(const char* kind) {
  return Error{Code::kForbidden, std::string("no ") + kind +
                                     " key is held: this field cannot be searched without the search role's keys"};
}

}  // namespace

Result<void> sort_versions(std::vector<crypto::Key>& keys) {
  std::stable_sort(keys.begin(), keys.end(), [](const auto& a, const auto& b) { return a.version < b.version; });
  std::vector<crypto::Key> sorted;
  for (crypto::Key& key : keys) {
    if (sorted.empty() || sorted.back().version != key.version) {
      sorted.push_back(std::move(key));
      continue;
    }
    // A copy in another folder is one key. Of two different ones, one is not this log's, or was changed.
    const crypto::Key& other = sorted.back();
    if (other.name == key.name && other.created == key.created &&
        crypto::equal_constant_time(other.bytes.bytes(), key.bytes.bytes())) {
      continue;
    }
    return Error{Code::kConflict, "two different " + std::string(crypto::key_kind_name(key.kind)) +
                                      " keys of version " + std::to_string(key.version) + " are held"};
  }
  keys = std::move(sorted);
  return {};
}

uint32_t epoch_day_of(TimeUs time) { return time < 0 ? 0 : static_cast<uint32_t>(time / kDayUs); }

struct Searcher::State {
  SearchRing ring;
};

Searcher::Searcher(std::unique_ptr<State> state) : state_(std::move(state)) {}
Searcher::Searcher(Searcher&&) noexcept = default;
Searcher& Searcher::operator=(Searcher&&) noexcept = default;
Searcher::~Searcher() = default;

Result<Searcher> Searcher::open(SearchRing ring) {
  KHIPU_TRY(sort_versions(ring.token_roots));
  KHIPU_TRY(sort_versions(ring.digests));
  auto state = std::make_unique<State>();
  state->ring = std::move(ring);
  return Searcher(std::move(state));
}

static std::vector<uint32_t> missing_versions(const std::vector<crypto::Key>& held, uint32_t newest) {
  std::vector<uint32_t> missing;
  if (!held.empty()) newest = std::max(newest, held.back().version);
  auto next = held.begin();
  for (uint32_t version = 1; version <= std::min<uint32_t>(newest, UINT16_MAX); ++version) {
    while (next != held.end() && next->version < version) ++next;
    if (next == held.end() || next->version != version) missing.push_back(version);
  }
  return missing;
}

std::vector<uint32_t> Searcher::missing_token_roots(uint32_t newest) const {
  return missing_versions(state_->ring.token_roots, newest);
}
std::vector<uint32_t> Searcher::missing_digests(uint32_t newest) const {
  return missing_versions(state_->ring.digests, newest);
}

bool Searcher::has_tokens() const { return !state_->ring.token_roots.empty(); }
bool Searcher::has_digests() const { return !state_->ring.digests.empty(); }
uint32_t Searcher::first_day() const {
  if (!has_tokens()) return 0;
  // Of any version: what says when a root was made is a clock, which may have gone back.
  TimeUs first = INT64_MAX;
  for (const crypto::Key& root : state_->ring.token_roots) first = std::min(first, root.created);
  return epoch_day_of(first);
}

// Calls `each` with the key of every day of the range, of every root that was there by then. Gives how many keys it
// derived.
template <typename Each>
static uint64_t each_day_key(const SearchRing& ring, EpochRange days, const Each& each) {
  uint64_t derived = 0;
  for (const crypto::Key& root : ring.token_roots) {
    uint32_t day = epoch_day_of(root.created);
    Hash key = first_day_key(root.bytes.bytes(), day);
    ++derived;
    // A writer whose clock runs behind the root's creation uses its first day.
    const uint32_t last = std::max(days.last, day);
    for (;;) {
      if (day >= days.first) each(key);
      if (day >= last) break;
      key = next_day_key(key, ++day);
      ++derived;
    }
    crypto::wipe(key);
  }
  return derived;
}

Result<TokenProbe> Searcher::probe(const FieldName& name, const IndexRule& rule, Compare compare, std::string_view text,
                                   EpochRange days) const {
  Terms terms;
  KHIPU_TRY_ASSIGN(const bool exact, terms_of_probe(rule, compare, text, terms));
  if (!has_tokens()) return no_key("token-root");
  TokenProbe probe;
  probe.exact = exact;
  probe.all_of.resize(terms.size());
  uint64_t hashes = 0;
  const uint64_t derived = each_day_key(state_->ring, days, [&](const Hash& day_key) {
    Hash key = index_key(day_key, name, rule);
    for (size_t i = 0; i < terms.size(); ++i) probe.all_of[i].push_back(token_of(key, terms[i]));
    hashes += 1 + terms.size();
    crypto::wipe(key);
  });
  probe.hashes = derived + hashes;
  for (std::vector<Token>& tokens : probe.all_of) {
    std::sort(tokens.begin(), tokens.end());
    tokens.erase(std::unique(tokens.begin(), tokens.end()), tokens.end());
  }
  return probe;
}

Result<std::vector<Token>> Searcher::tokens_of_value(const FieldName& name, const IndexRule& rule,
                                                     std::string_view text, uint32_t day) const {
  if (!has_tokens()) return no_key("token-root");
  Terms terms;
  terms_of_value(rule, text, terms);
  std::vector<Token> tokens;
  each_day_key(state_->ring, {day, day}, [&](const Hash& day_key) {
    Hash key = index_key(day_key, name, rule);
    for (size_t i = 0; i < terms.size(); ++i) tokens.push_back(token_of(key, terms[i]));
    crypto::wipe(key);
  });
  std::sort(tokens.begin(), tokens.end());
  tokens.erase(std::unique(tokens.begin(), tokens.end()), tokens.end());
  return tokens;
}

Result<std::vector<std::array<uint8_t, kDigestSize>>> Searcher::digests(const FieldName& name, codec::ValueKind kind,
                                                                        Bytes plaintext) const {
  if (!has_digests()) return no_key("digest");
  std::vector<std::array<uint8_t, kDigestSize>> digests;
  for (const crypto::Key& key : state_->ring.digests) {
    Hash field = digest_key(key.bytes.bytes(), name);
    digests.push_back(digest_bytes({static_cast<uint16_t>(key.version), digest_of(field, kind, plaintext)}));
    crypto::wipe(field);
  }
  return digests;
}

}  // namespace khipu::protect
