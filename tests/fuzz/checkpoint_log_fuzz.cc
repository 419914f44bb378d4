// checkpoints.log: what is read as publications formats to the same bytes, and nothing is read behind a fault.
#include "engine/tree/checkpoint_log.h"
#include "tests/fuzz/fuzz.h"

using namespace khipu;

KHIPU_FUZZ(input) {
  const std::string_view bytes = as_text(input);
  const tree::CheckpointLog log = tree::parse_checkpoint_log(bytes, "log.example/audit");
  std::string again;
  for (const tree::Publication& publication : log.publications) {
    KHIPU_ASSERT(publication.meta().table("log.example/audit").empty());
    for (const tree::PublishedNote& note : publication.notes) {
      KHIPU_ASSERT(note.offset == again.size());
      again += tree::format_published(note.note);
    }
  }
  KHIPU_ASSERT(again.size() == log.end && bytes.substr(0, log.end) == again);
  KHIPU_ASSERT(log.fault.empty() == (log.end == bytes.size()));
  if (log.fault.empty()) return;
  const tree::CheckpointLog whole = tree::parse_checkpoint_log(bytes.substr(0, log.end), "log.example/audit");
  KHIPU_ASSERT(whole.fault.empty() && whole.publications.size() == log.publications.size());
}
