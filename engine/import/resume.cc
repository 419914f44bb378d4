#include "engine/import/resume.h"

#include <algorithm>
#include <map>
#include <utility>

#include "engine/crypto/hash.h"
#include "engine/import/input.h"

namespace khipu::import {
namespace {

constexpr size_t kReadSize = 1 << 20;

using ByEnd = std::multimap<uint64_t, const codec::Import*>;

// Hashes bytes as they come and tells `visit` the hash of every prefix whose size is a key of `stops`.
template <typename Visit>
class PrefixHasher {
 public:
  PrefixHasher(const ByEnd& stops, Visit visit) : stop_(stops.begin()), end_(stops.end()), visit_(visit) { tell(); }

  void add(Bytes bytes) {
    while (!bytes.empty()) {
      const uint64_t left = stop_ == end_ ? bytes.size() : stop_->first - size_;
      const Bytes piece = bytes.first(static_cast<size_t>(std::min<uint64_t>(left, bytes.size())));
      hash_.update(piece);
      size_ += piece.size();
      bytes = bytes.subspan(piece.size());
      tell();
    }
  }

  uint64_t size() const { return size_; }
  Hash finish() { return hash_.finish(); }

 private:
  void tell() {
    for (; stop_ != end_ && stop_->first == size_; ++stop_) visit_(*stop_->second, hash_.so_far());
  }

  crypto::Sha256 hash_;
  uint64_t size_ = 0;
  ByEnd::const_iterator stop_, end_;
  Visit visit_;
};

// The hash of bytes [0, end) of the input, and `visit` told of the prefixes within.
template <typename Visit>
Result<Hash> hash_prefixes(const os::File& input, uint64_t end, const ByEnd& stops, Visit visit) {
  PrefixHasher hasher(stops, visit);
  Buffer buffer(kReadSize);
  while (hasher.size() < end) {
    const auto want = static_cast<size_t>(std::min<uint64_t>(end - hasher.size(), buffer.size()));
    KHIPU_TRY_ASSIGN(const size_t got, input.read_at(hasher.size(), std::span<uint8_t>(buffer).first(want)));
    if (got == 0) return Error{Code::kIo, "the input became shorter while it was read"};
    hasher.add(Bytes(buffer).first(got));
  }
  return hasher.finish();
}

struct Unpacked {
  uint64_t size = 0;
  bool whole = false;  // the stream is not damaged and does not end early
};

// What bytes [0, end) of a file hold unpacked, and `visit` told of the prefixes of that.
template <typename Visit>
Result<Unpacked> unpack(const os::File& file, uint64_t end, const ByEnd& stops, Visit visit) {
  KHIPU_TRY_ASSIGN(const std::unique_ptr<Input> input, Input::open(file, end));
  PrefixHasher hasher(stops, visit);
  for (bool more = true; more;) {
    const Bytes window = input->window();
    hasher.add(window);
    input->consume(window.size());
    KHIPU_TRY_ASSIGN(more, input->more());
  }
  return Unpacked{hasher.size(), input->damage().empty()};
}

}  // namespace

Result<Resume> find_resume(const os::File& input, bool gzip, std::string_view format, const Hash& mapping,
                           std::span<const codec::Import> earlier, Bytes key) {
  Resume resume;
  KHIPU_TRY_ASSIGN(resume.size, input.size());
  ByEnd candidates, unpacked;
  for (const codec::Import& import : earlier) {
    if (import.format != format || import.to == 0) continue;
    const bool ours = import.mapping == mapping;
    if (!ours && (import.stored == 0 || (import.keyed && key.empty()))) continue;
    const bool may_be_prefix = import.to <= resume.size;
    if (import.keyed && key.empty()) {
      resume.undecided |= may_be_prefix || gzip;
      continue;
    }
    if (may_be_prefix) candidates.emplace(import.to, &import);
    if (gzip) unpacked.emplace(import.to, &import);
  }
  if (candidates.empty() && !gzip) return resume;
  const uint64_t end = gzip ? resume.size : candidates.rbegin()->first;
  const auto is_prefix = [&](const codec::Import& import, const Hash& prefix) {
    return import.prefix_sha256 == (import.keyed ? crypto::keyed_input_hash(key, prefix) : prefix);
  };
  uint64_t whole_to = 0;  // gzip: read to its end when it had so many bytes, by a receipt that says no more
  uint64_t ours_to = 0;   // of the files that receipts of this mapping are about, the largest
  const auto visit = [&](const codec::Import& import, const Hash& prefix) {
    if (!is_prefix(import, prefix)) return;
    if (import.mapping != mapping) {
      resume.remapped = &import;
      return;
    }
    ours_to = import.to;
    const bool whole = import.to == resume.size;
    resume.earlier = import.source;
    resume.sha256 = prefix;
    resume.at = std::max(resume.at, gzip ? import.unpacked_to.value_or(0) : import.to);
    if (gzip && import.done && !import.unpacked_to) whole_to = import.to;
    resume.nothing_new |= whole && import.done;
  };
  KHIPU_TRY_ASSIGN(const Hash whole, hash_prefixes(input, end, candidates, visit));
  if (resume.remapped != nullptr && resume.remapped->to <= ours_to) resume.remapped = nullptr;
  if (!gzip) return resume;
  resume.sha256 = whole;
  if (resume.nothing_new) return resume;
  if (whole_to > 0) {
    KHIPU_TRY_ASSIGN(const Unpacked before, unpack(input, whole_to, {}, [](const auto&, const auto&) {}));
    resume.at = std::max(resume.at, before.size);
  }
  if (unpacked.empty()) return resume;
  // The same bytes may have been imported before they were packed.
  const codec::Import *plain = nullptr, *remapped = nullptr;
  KHIPU_TRY_ASSIGN(const Unpacked all,
                   unpack(input, resume.size, unpacked, [&](const codec::Import& import, const Hash& prefix) {
                     if (!is_prefix(import, prefix)) return;
                     if (import.mapping != mapping) {
                       remapped = &import;
                     } else if (plain == nullptr || !plain->done || import.to > plain->to) {
                       plain = &import;
                     }
                   }));
  if (remapped != nullptr && remapped->to > std::max(resume.at, plain == nullptr ? 0 : plain->to)) {
    resume.remapped = remapped;
  }
  if (plain != nullptr && plain->to > resume.at) {
    resume.at = plain->to;
    resume.earlier = plain->source;
    resume.nothing_new = plain->done && all.whole && all.size == plain->to;
  }
  return resume;
}

}  // namespace khipu::import
