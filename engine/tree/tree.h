// RFC 6962 Merkle trees: leaf and node hashes, an incremental builder over flat level files, proofs, verification.
// No I/O: stored hashes come through HashSource. Layout: engine/FORMAT.md "Tree files".
//
// Level file k holds, for each n, the root of the complete subtree of leaves [n 256^k, (n+1) 256^k) at byte 32 n.
// So a C2SP tile (level l, index n) is bytes [8192 n, 8192 (n+1)) of level file l.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/ids.h"
#include "engine/base/result.h"
#include "engine/crypto/hash.h"

namespace khipu::tree {

inline constexpr unsigned kTileHeight = 8;
inline constexpr uint64_t kTileWidth = 256;
inline constexpr size_t kLevelCount = 8;  // 256^8 leaves
inline constexpr uint64_t kSizeMax = INT64_MAX;

Hash empty_root();                                    // SHA-256 of nothing
Hash leaf_hash(Bytes record);                         // SHA-256(0x00 | record)
Hash node_hash(const Hash& left, const Hash& right);  // SHA-256(0x01 | left | right)
// Many at once, several times as fast (engine/crypto/hash.h): parents[i] of children 2i and 2i + 1.
void node_hashes(std::span<const Hash> children, std::span<Hash> parents);

// Leaf hashes of records that come one by one, made many at once from copies. Owner: one thread.
class LeafHasher {
 public:
  // `leaves` grows by one with each record; the values are there after finish(). It outlives this.
  explicit LeafHasher(std::vector<Hash>& leaves) : leaves_(leaves) {}
  void add(Bytes record);
  void finish() { make(leaves_.size()); }

 private:
  void make(size_t end);  // of those in front of leaves_[end]

  std::vector<Hash>& leaves_;
  crypto::Sha256Batch batch_;  // of the last leaves
};

// Root of a run of subtree hashes by the RFC 6962 split, for any count >= 1 (exact for complete equal subtrees, the
// last one of which may be an incomplete right edge).
Hash root_of(std::span<const Hash> hashes);

// Roots of complete tiles made together, wherever they lie or one behind another: as root_of() of each.
using TileView = std::span<const Hash, kTileWidth>;
void roots_of_tiles(std::span<const TileView> tiles, std::span<Hash> roots);
void roots_of_tiles(std::span<const Hash> hashes, std::span<Hash> roots);
// All nodes of complete tiles, made together: [h] holds those over 2^h leaves, 256 >> h a tile, for h of 1 to 8.
using TileNodes = std::array<std::vector<Hash>, kTileHeight + 1>;
TileNodes nodes_of_tiles(std::span<const TileView> tiles);

// Where stored hashes come from. Asked only for hashes that exist (complete subtrees within the tree's size).
class HashSource {
 public:
  virtual ~HashSource() = default;
  virtual Result<void> read(size_t level, uint64_t index, std::span<Hash> into) = 0;
};

// The roots of the complete subtrees that a run of equal subtrees falls into, one for each bit of their count: what is
// needed to append to the run and to know its root, and nothing more.
class Peaks {
 public:
  uint64_t count() const { return count_; }
  // Appends one subtree. `formed(height, hash)` is called for every subtree of 2^height, height >= 1, that it
  // completes.
  template <typename Formed>
  void append(Hash hash, Formed formed) {
    unsigned height = 0;
    for (; (count_ >> height & 1) != 0; ++height) {
      hash = node_hash(peaks_[height], hash);
      formed(height + 1, hash);
    }
    peaks_[height] = hash;
    ++count_;
  }
  void append(const Hash& hash) {
    append(hash, [](unsigned, const Hash&) {});
  }
  // The same for a run of subtrees, whose nodes are hashed many at once: `formed(height, hashes)` is called once for
  // each height, with the roots of all subtrees of 2^height that the run completes, in order.
  template <typename Formed>
  void append_run(std::span<const Hash> run, Formed formed) {
    if (run.empty()) return;
    std::vector<Hash> here(run.begin(), run.end()), above;
    uint64_t before = count_;  // complete subtrees of this height in front of `here`
    for (unsigned height = 0; !here.empty(); ++height, before >>= 1, here.swap(above)) {
      if ((before & 1) != 0) here.insert(here.begin(), peaks_[height]);
      above.resize(here.size() / 2);
      node_hashes(std::span(here).first(2 * above.size()), above);
      if (here.size() % 2 != 0) peaks_[height] = here.back();
      if (!above.empty()) formed(height + 1, std::span<const Hash>(above));
    }
    count_ += run.size();
  }
  // Appends a subtree of 2^height; the count so far must be a multiple of 2^(height + 1).
  void append_subtree(unsigned height, const Hash& hash);
  // The same for a count that is a multiple of 2^height only.
  void append_aligned(unsigned height, Hash hash);
  Hash root() const;  // of the empty tree when nothing was appended

 private:
  uint64_t count_ = 0;
  std::array<Hash, 64> peaks_;  // peaks_[h] is set where bit h of count_ is
};

// The right edge of a growing tree. Owner: one thread.
class Builder {
 public:
  Builder() = default;
  // The builder at `size`, from level files that are right up to it.
  static Result<Builder> load(uint64_t size, HashSource& source);

  uint64_t size() const { return peaks_.count(); }
  Hash root() const { return peaks_.root(); }
  // Appends leaves. `levels[k]` receives the level-k hashes that became complete, to be written at byte
  // 32 * complete(size before, k); level 0 receives the leaves themselves.
  void append(std::span<const Hash> leaves, std::array<std::vector<Hash>, kLevelCount>& levels);
  void append(const Hash& leaf) { peaks_.append(leaf); }
  // How many level-k hashes a tree of this size has stored: size / 256^k.
  static uint64_t complete(uint64_t size, size_t level);

 private:
  Peaks peaks_;
};

// Inclusion and consistency proofs (RFC 6962 2.1.1, 2.1.2), from complete subtrees read from the source.
Result<std::vector<Hash>> prove_inclusion(uint64_t index, uint64_t size, HashSource& source);
Result<std::vector<Hash>> prove_consistency(uint64_t old_size, uint64_t size, HashSource& source);
Result<Hash> root_at(uint64_t size, HashSource& source);
// Verdicts. Too long and too short proofs are false; index >= size is false; sizes over 2^63-1 are false.
bool verify_inclusion(const Hash& leaf, uint64_t index, uint64_t size, std::span<const Hash> proof, const Hash& root);
// old_size = size: the proof must be empty and the roots equal. old_size = 0: false (RFC 9162 has no such proof).
bool verify_consistency(uint64_t old_size, uint64_t size, std::span<const Hash> proof, const Hash& old_root,
                        const Hash& root);

// Checks leaves against one signed root, tile by tile, remembering tiles it has checked (P5). Complete tiles are
// immutable, so a Checker for a larger tree takes over what a smaller one of the same log has checked only after it has
// authenticated them again from its own root. Bounded: at most `tiles_max` tiles of 8 KiB are remembered.
// Thread: one.
class Checker {
 public:
  // Reads the right edge and compares with `root`: nullopt means that the tree files do not add up.
  static Result<std::optional<Checker>> open(uint64_t size, const Hash& root, HashSource& source,
                                             size_t tiles_max = 1024);
  // Is `leaf` the leaf at `index` of the tree with the signed root? Reads what tiles it needs.
  Result<bool> check(uint64_t index, const Hash& leaf, HashSource& source);
  // The same for leaves [256 number, 256 (number + 1)) at once, all of which the tree has: `root` is that of their
  // subtree. It reads no leaf.
  Result<bool> check_tile(uint64_t number, const Hash& root, HashSource& source);
  // For who is about to check leaves in many tiles, and hashes these together: whether check() of a leaf there would
  // have to read and hash tile `number` of the leaves; and the tile as it was read, to be remembered if `root`, which
  // roots_of_tiles() made of it, is right. What is not right is left to check(), which finds it.
  bool wants_tile(uint64_t number) const;
  Result<bool> take_tile(uint64_t number, const Hash& root, std::span<const Hash, kTileWidth> tile, HashSource& source);
  uint64_t size() const { return size_; }

 private:
  using Tile = std::array<Hash, kTileWidth>;
  struct Slot {
    uint64_t key = 0;
    bool used = false;  // since the clock hand last came by
    std::unique_ptr<Tile> tile;
  };
  // The level's incomplete tile, which open() has checked; the last hashes of the level.
  using Edge = std::vector<Hash>;

  Checker(uint64_t size, size_t tiles_max) : size_(size), tiles_max_(tiles_max) {}
  Result<bool> authentic(size_t level, uint64_t index, const Hash& hash, HashSource& source);
  const Tile* remembered(uint64_t key);
  void remember(uint64_t key, std::unique_ptr<Tile> tile);

  uint64_t size_;
  size_t tiles_max_;
  std::array<Edge, kLevelCount> edge_;
  std::vector<Slot> slots_;
  std::unordered_map<uint64_t, size_t> slot_of_;  // key to place in slots_
  size_t hand_ = 0;                               // of the clock that chooses what is forgotten
};

}  // namespace khipu::tree
