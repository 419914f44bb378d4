#include "engine/tree/checkpoint_log.h"

#include <algorithm>

#include "engine/base/assert.h"

namespace khipu::tree {
namespace {

constexpr std::string_view kTables[] = {"registry", "logs", "access"};  // in the order of a publication
constexpr size_t kMeta = std::size(kTables);
constexpr uint64_t kWindowSize = 8 * kNoteSizeMax;  // holds any publication

// The place of an origin in a publication, or nullopt when it is not one of this log's.
std::optional<size_t> place_of(std::string_view found, std::string_view origin) {
  if (found == origin) return kMeta;
  if (!found.starts_with(origin) || found.substr(origin.size(), 1) != "/") return std::nullopt;
  found.remove_prefix(origin.size() + 1);
  for (size_t i = 0; i < kMeta; ++i) {
    if (found == kTables[i]) return i;
  }
  return std::nullopt;
}

// Text, empty line, signatures, empty line: where a note that begins at `from` ends, without the last of these.
size_t end_of_note(std::string_view bytes, size_t from) {
  const size_t text_end = bytes.find("\n\n", from);
  if (text_end == bytes.npos) return bytes.npos;
  const size_t end = bytes.find("\n\n", text_end + 2);
  return end == bytes.npos ? end : end + 1;
}

}  // namespace

std::string_view PublishedNote::table(std::string_view origin) const {
  const auto place = place_of(checkpoint.origin, origin);
  KHIPU_ASSERT(place.has_value());
  return *place == kMeta ? std::string_view() : kTables[*place];
}

CheckpointLog parse_checkpoint_log(std::string_view bytes, std::string_view origin) {
  CheckpointLog log;
  Publication open;
  size_t next_place = 0;
  const auto stop = [&](std::string_view why, size_t offset) {
    log.fault = "byte " + std::to_string(offset) + ": " + std::string(why);
    return log;
  };
  for (size_t from = 0; from < bytes.size();) {
    const size_t end = end_of_note(bytes, from);
    if (end == bytes.npos) {
      log.torn = true;
      return stop("a note that does not end", from);
    }
    Result<Note> note = parse_note(bytes.substr(from, end - from));
    if (!note.ok()) return stop(note.error().message, from);
    Result<Checkpoint> checkpoint = parse_checkpoint(note->text);
    if (!checkpoint.ok()) return stop(checkpoint.error().message, from);
    if (!checkpoint->extensions.empty()) return stop("a checkpoint with extension lines", from);
    const auto place = place_of(checkpoint->origin, origin);
    if (!place) return stop("a checkpoint of another log", from);
    if (*place < next_place) return stop("a checkpoint out of its place", from);
    next_place = *place + 1;
    open.notes.push_back({std::move(note).value(), std::move(checkpoint).value(), from});
    from = end + 1;
    if (*place < kMeta) continue;
    log.publications.push_back(std::move(open));
    log.end = from;
    open = {};
    next_place = 0;
  }
  if (open.notes.empty()) return log;
  log.torn = true;
  return stop("a publication without the checkpoint of meta that closes it", open.notes.front().offset);
}

Result<CheckpointLog> scan_checkpoint_log(uint64_t size, std::string_view origin, const ReadBytes& read,
                                          const VisitPublication& visit) {
  CheckpointLog log;
  Buffer window;
  for (uint64_t number = 0; log.end < size;) {
    window.resize(std::min(kWindowSize, size - log.end));
    KHIPU_TRY(read(log.end, window));
    CheckpointLog part = parse_checkpoint_log(as_text(window), origin);
    for (Publication& publication : part.publications) {
      for (PublishedNote& note : publication.notes) note.offset += log.end;
      if (!visit(++number, publication)) return log;
    }
    const uint64_t window_end = log.end + window.size();
    log.end += part.end;
    const bool is_cut = part.torn && part.end > 0 && window_end < size;  // by the window
    if (part.fault.empty() || is_cut) continue;
    log.torn = part.torn && window_end == size;
    log.fault = "behind byte " + std::to_string(window_end - window.size()) + ", " + part.fault;
    return log;
  }
  return log;
}

std::string format_published(const Note& note) { return format_note(note) + "\n"; }

}  // namespace khipu::tree
