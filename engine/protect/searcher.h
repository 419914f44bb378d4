// The search role: tokens and digests of what is looked for, over all days and key versions held. It can confirm a
// guess and reads nothing. Not here: which records have them (engine/index, engine/query).
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "engine/protect/field.h"
#include "engine/protect/key_ring.h"
#include "engine/protect/transform.h"
#include "engine/protect/value.h"

namespace khipu::protect {

// Days since 1970-01-01, both included. Tokens are made when a batch is prepared: under the day of `recorded_at`, the
// day before when midnight came between (so ask from one day earlier), or a later one when the
// writer's clock had gone back.
struct EpochRange {
  uint32_t first = 0;
  uint32_t last = 0;
};
uint32_t epoch_day_of(TimeUs time);  // 0 before 1970

// What to look up: a record matches when, of each list, it has at least one token.
struct TokenProbe {
  std::vector<std::vector<Token>> all_of;  // each list ascending
  bool exact = false;                      // true: that decides; false: candidates, for the plaintext to decide
  uint64_t hashes = 0;                     // keyed hashes that it took, 0.4 us each: what the question costs
};

// By version, a key that is there twice once. kConflict for two keys of one version that differ.
Result<void> sort_versions(std::vector<crypto::Key>& keys);

// Immutable: any thread.
class Searcher {
 public:
  // Keys of several folders may come in any order; kConflict as sort_versions().
  static Result<Searcher> open(SearchRing ring);
  Searcher(Searcher&&) noexcept;
  Searcher& operator=(Searcher&&) noexcept;
  ~Searcher();

  // kForbidden without a token root; kInvalid when the index cannot answer, see terms_of_probe(). A range of 1,000 days
  // takes about a millisecond for one term.
  Result<TokenProbe> probe(const FieldName& name, const IndexRule& rule, Compare compare, std::string_view text,
                           EpochRange days) const;
  // The same for one day's tokens of a whole value, as Sealer::tokens() makes them: to check a guess, and for tests.
  Result<std::vector<Token>> tokens_of_value(const FieldName& name, const IndexRule& rule, std::string_view text,
                                             uint32_t day) const;
  // One digest per key version held, as they stand in records. kForbidden without a digest key.
  Result<std::vector<std::array<uint8_t, kDigestSize>>> digests(const FieldName& name, codec::ValueKind kind,
                                                                Bytes plaintext) const;
  // Versions from 1 to the newest held, or to `newest` that is known of, which are not held: what was written under
  // them is not found.
  std::vector<uint32_t> missing_token_roots(uint32_t newest) const;
  std::vector<uint32_t> missing_digests(uint32_t newest) const;
  bool has_tokens() const;
  bool has_digests() const;
  uint32_t first_day() const;  // before it there are no tokens of any version held; 0 without a token root

 private:
  struct State;
  explicit Searcher(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace khipu::protect
