// Protected fields on the reader's side: what a search for one compares, and its plaintext for who holds the key.
// A searched value is in memory only: never in a note, an error, a cursor or what was applied.
// Not here: keys and ciphers (engine/protect), who may see a plaintext (grants: mcp/tools, engine/cli).
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>

#include "engine/codec/protected.h"
#include "engine/protect/opener.h"
#include "engine/protect/searcher.h"
#include "engine/query/filter.h"
#include "engine/snapshot/store.h"

namespace khipu::query {

// Which sealed values of a row are opened.
struct Opens {
  bool fields = false, columns = false, content = false;
  static Opens all() { return {true, true, true}; }
};

// A question to a protected field, made ready: what to find in records, and what to compare a plaintext with.
struct FieldProbe {
  protect::FieldName name;  // borrows from the schema
  codec::ValueKind kind = codec::ValueKind::kText;
  std::vector<std::array<uint8_t, protect::kDigestSize>> digests;  // any of them; else tokens:
  size_t index = 0;                                                // of the rule's indexes
  std::vector<std::vector<protect::Token>> all_of;                 // of each list, one
  bool decides = false;                                            // nothing is left for the plaintext to say
  std::shared_ptr<std::atomic<uint32_t>> digest_met;               // raised to the newest key version met in records
  Match match = Match::kExact;
  std::string text, folded;
  bool found_in(const codec::ProtectedValue& value) const;
};

// One a process, shared by its engines. Any thread.
class FieldReader {
 public:
  // `store`: borrowed; where a key is not as a snapshot has it, the newest one is asked whether it was replaced or
  // shredded since. nullptr: nobody is asked.
  FieldReader(std::optional<protect::Searcher> searcher, std::unique_ptr<protect::Opener> opener,
              snapshot::Store* store = nullptr)
      : keys_(std::make_shared<const Keys>(Keys{std::move(searcher), std::move(opener)})), store_(store) {}

  // The keys were read again. Questions that are being answered go on with those before.
  void replace(std::optional<protect::Searcher> searcher, std::unique_ptr<protect::Opener> opener);
  // Whether the key is held that such a field is searched by: a token root for an index, a digest key for a digest.
  bool can_search(const codec::Rule& rule) const;
  bool can_open() const { return keys()->opener != nullptr; }
  // Key versions that such fields were written under and that are not held, in a sentence; "" when none is known. Token
  // roots are known from meta/, digest keys from the values met so far.
  std::string missing_versions(const snapshot::Snapshot& snapshot, const codec::Rule& rule) const;

  // UNSUPPORTED_MATCH, naming what the field allows or which key is missing; the value is not in it.
  Answer<FieldProbe> probe(const snapshot::Snapshot& snapshot, const protect::FieldName& name, codec::ValueKind kind,
                           const codec::Rule& rule, Match match, std::string_view text,
                           const std::string& argument) const;
  // Whether a value that was found in the record is what was asked for. nullopt: no key opens it, so it stays a
  // candidate.
  std::optional<bool> confirm(const snapshot::Snapshot& snapshot, const FieldProbe& probe,
                              const protect::FieldPlace& place, Bytes value) const;
  // kForbidden without a decrypt key; the rest as protect::Opener::open.
  Result<protect::Plaintext> open(const snapshot::Snapshot& snapshot, const protect::FieldPlace& place,
                                  Bytes value) const;

 private:
  struct Keys {
    std::optional<protect::Searcher> searcher;
    std::unique_ptr<protect::Opener> opener;
  };
  std::shared_ptr<const Keys> keys() const;
  Result<bool> learn(const snapshot::Snapshot& snapshot, const Keys& keys) const;  // true: it said something new
  void read_token_days(const snapshot::Snapshot& snapshot) const;                  // with the mutex held
  uint32_t last_day(const snapshot::Snapshot& snapshot) const;

  mutable std::mutex mutex_;  // guards what follows
  std::shared_ptr<const Keys> keys_;
  snapshot::Store* const store_;
  const std::shared_ptr<std::atomic<uint32_t>> digest_met_ = std::make_shared<std::atomic<uint32_t>>(0);
  mutable uint64_t statements_ = 0;  // KEY and SHRED statements learned
  mutable uint64_t keys_seen_ = 0;   // KEY statements looked at for token_day_
  mutable uint32_t token_day_ = 0;   // the newest that they say
  mutable uint32_t token_root_ = 0;  // and the newest version
  mutable std::shared_ptr<const protect::KeyLog> log_;
};

// Match modes that a protected field's rule allows to whoever holds a search key.
std::vector<std::string> match_modes(const codec::FieldSchema& field);
// The uid that a value of this version is bound to: its own, or that of the version it was sealed for, which must be an
// earlier one of the same entity.
Result<Uid> uid_of_value(const snapshot::Snapshot& snapshot, const codec::VersionRecord& version,
                         const codec::ProtectedValue& value);
// Takes out of a filter what was searched for in protected fields and columns: "(protected)" in its place.
void redact(Filter& filter, const registry::Schema& schema);

}  // namespace khipu::query
