// checkpoints.log: every note that was published, in order. Bytes to publications and back; no I/O, and no judgement of
// who signed or whether the sizes fit one another. Byte format: engine/FORMAT.md "Checkpoints".
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/result.h"
#include "engine/tree/checkpoint.h"
#include "engine/tree/note.h"

namespace khipu::tree {

struct PublishedNote {
  Note note;
  Checkpoint checkpoint;                                  // its text
  uint64_t offset = 0;                                    // in the log
  std::string_view table(std::string_view origin) const;  // "" for meta; only for notes that parse_checkpoint_log gave
};

// The notes of the tables that moved, then the one of meta, which closes it.
struct Publication {
  std::vector<PublishedNote> notes;
  const PublishedNote& meta() const { return notes.back(); }
};

struct CheckpointLog {
  std::vector<Publication> publications;  // number n is publications[n - 1]
  uint64_t end = 0;                       // of the last whole publication
  // What is behind `end`: empty, a part of a publication (a torn end), or bytes that no writer would put there.
  std::string fault;
  bool torn = false;  // the bytes behind `end` are the front part of something well-formed
};

// Notes of `origin`'s log: `ORIGIN/registry`, `ORIGIN/logs`, `ORIGIN/access`, each at most once and in this order, then
// `ORIGIN`. Reads as far as that holds and says why it stopped.
CheckpointLog parse_checkpoint_log(std::string_view bytes, std::string_view origin);
// The same of a log of `size` bytes, a window of it in memory at a time. `read(offset, into)` fills `into`;
// `visit(number, publication)` is called for each, numbers from 1, and false ends it. What it returns has no
// publications, and no fault where it was ended.
using ReadBytes = std::function<Result<void>(uint64_t offset, std::span<uint8_t> into)>;
using VisitPublication = std::function<bool(uint64_t number, Publication& publication)>;
Result<CheckpointLog> scan_checkpoint_log(uint64_t size, std::string_view origin, const ReadBytes& read,
                                          const VisitPublication& visit);
// One note with the empty line behind it, as it is appended.
std::string format_published(const Note& note);

}  // namespace khipu::tree
