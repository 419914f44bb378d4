#include "engine/import/resume.h"

#include <algorithm>
#include <map>

#include "engine/crypto/hash.h"

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

}  // namespace

Result<Resume> find_resume(const os::File& input, bool gzip, std::string_view format, const Hash& mapping,
                           std::span<const codec::Import> earlier, Bytes key) {
  Resume resume;
  KHIPU_TRY_ASSIGN(resume.size, input.size());
  ByEnd candidates;
  for (const codec::Import& import : earlier) {
    if (import.format != format || import.mapping != mapping || import.to == 0 || import.to > resume.size) continue;
    if (gzip && import.to != resume.size) continue;
    if (import.keyed && key.empty()) {
      resume.undecided = true;
    } else {
      candidates.emplace(import.to, &import);
    }
  }
  if (candidates.empty() && !gzip) return resume;
  const uint64_t end = gzip ? resume.size : candidates.rbegin()->first;
  const auto visit = [&](const codec::Import& import, const Hash& prefix) {
    if (import.prefix_sha256 != (import.keyed ? crypto::keyed_input_hash(key, prefix) : prefix)) return;
    resume.earlier = import.source;
    resume.sha256 = prefix;
    resume.at = gzip ? 0 : import.to;
    resume.skip_records += gzip ? import.read : 0;
    resume.nothing_new |= import.to == resume.size && import.done;
  };
  KHIPU_TRY_ASSIGN(const Hash whole, hash_prefixes(input, end, candidates, visit));
  if (gzip) resume.sha256 = whole;
  return resume;
}

}  // namespace khipu::import
