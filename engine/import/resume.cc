#include "engine/import/resume.h"

#include <algorithm>
#include <map>

#include "engine/crypto/hash.h"
#include "engine/import/input.h"

namespace khipu::import {
namespace {

constexpr size_t kReadSize = 1 << 20;

using ByEnd = std::multimap<uint64_t, const codec::Import*>;

// Hashes the input up to `end`, telling `visit` the hash of every prefix whose size is a key of `stops`.
template <typename Visit>
Result<Hash> hash_prefixes(const os::File& input, uint64_t end, const ByEnd& stops, Visit visit) {
  crypto::Sha256 hash;
  Buffer buffer(kReadSize);
  auto stop = stops.begin();
  for (uint64_t at = 0;;) {
    while (stop != stops.end() && stop->first == at) {
      visit(*stop->second, hash.so_far());
      ++stop;
    }
    if (at >= end) break;
    const uint64_t next = stop == stops.end() ? end : std::min(end, stop->first);
    const auto want = static_cast<size_t>(std::min<uint64_t>(next - at, buffer.size()));
    KHIPU_TRY_ASSIGN(const size_t got, input.read_at(at, std::span<uint8_t>(buffer).first(want)));
    if (got == 0) return Error{Code::kIo, "the input became shorter while it was read"};
    hash.update(Bytes(buffer).first(got));
    at += got;
  }
  return hash.finish();
}

struct Unpacked {
  uint64_t size = 0;
  bool whole = false;  // the stream is not damaged and does not end early
};

// What bytes [0, end) of a file hold unpacked, telling `visit` the hash of every prefix whose size is a key of `stops`.
template <typename Visit>
Result<Unpacked> unpack(const os::File& file, uint64_t end, const ByEnd& stops, Visit visit) {
  KHIPU_TRY_ASSIGN(const std::unique_ptr<Input> input, Input::open(file, end));
  crypto::Sha256 hash;
  auto stop = stops.begin();
  for (;;) {
    const Bytes window = input->window();
    const uint64_t left = stop == stops.end() ? window.size() : stop->first - input->offset();
    const size_t size = std::min<uint64_t>(left, window.size());
    hash.update(window.first(size));
    input->consume(size);
    for (; stop != stops.end() && stop->first == input->offset(); ++stop) visit(*stop->second, hash.so_far());
    if (size < window.size()) continue;
    KHIPU_TRY_ASSIGN(const bool more, input->more());
    if (!more) break;
  }
  return Unpacked{input->offset(), input->damage().empty()};
}

}  // namespace

Result<Resume> find_resume(const os::File& input, bool gzip, std::string_view format, const Hash& mapping,
                           std::span<const codec::Import> earlier, Bytes key) {
  Resume resume;
  KHIPU_TRY_ASSIGN(resume.size, input.size());
  ByEnd candidates, unpacked;
  for (const codec::Import& import : earlier) {
    if (import.format != format || import.mapping != mapping || import.to == 0) continue;
    const bool may_be_prefix = import.to <= resume.size;
    if (import.keyed && key.empty()) {
      resume.undecided |= may_be_prefix || gzip;
      continue;
    }
    if (may_be_prefix) candidates.emplace(import.to, &import);
    if (gzip) unpacked.emplace(import.to, &import);
  }
  if (candidates.empty() && !gzip) return resume;
  uint64_t grown_from = 0;  // gzip: the file was imported to its end when it had so many bytes
  const uint64_t end = gzip ? resume.size : candidates.rbegin()->first;
  const auto is_prefix = [&](const codec::Import& import, const Hash& prefix) {
    return import.prefix_sha256 == (import.keyed ? crypto::keyed_input_hash(key, prefix) : prefix);
  };
  const auto visit = [&](const codec::Import& import, const Hash& prefix) {
    if (!is_prefix(import, prefix)) return;
    const bool whole = import.to == resume.size;
    if (gzip && !whole && !import.done) return;  // how far it got is told in records of that file
    resume.earlier = import.source;
    resume.sha256 = prefix;
    if (!gzip) resume.at = import.to;
    if (gzip && whole) resume.skip_records += import.read;
    if (gzip && !whole) grown_from = import.to;
    resume.nothing_new |= whole && import.done;
  };
  KHIPU_TRY_ASSIGN(const Hash whole, hash_prefixes(input, end, candidates, visit));
  if (!gzip) return resume;
  resume.sha256 = whole;
  if (resume.nothing_new) return resume;
  if (grown_from > 0) {
    KHIPU_TRY_ASSIGN(const Unpacked before, unpack(input, grown_from, {}, [](const auto&, const auto&) {}));
    resume.at = before.size;
  }
  if (unpacked.empty()) return resume;
  // The same bytes may have been imported before they were packed.
  const codec::Import* plain = nullptr;
  KHIPU_TRY_ASSIGN(const Unpacked all,
                   unpack(input, resume.size, unpacked, [&](const codec::Import& import, const Hash& prefix) {
                     if (is_prefix(import, prefix) && (plain == nullptr || !plain->done || import.to > plain->to))
                       plain = &import;
                   }));
  if (plain != nullptr && plain->to > resume.at) {
    resume.at = plain->to;
    resume.earlier = plain->source;
    resume.nothing_new = plain->done && all.whole && all.size == plain->to;
  }
  return resume;
}

}  // namespace khipu::import
