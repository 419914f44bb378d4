// checkpoints.log as a reader sees it. What was published before it was read is durable, so a snapshot taken afterwards
// holds every row that it names. Not here: whose signatures count (engine/proof), whether nothing is missing
// (engine/verify).
#pragma once

#include <string_view>

#include "engine/base/result.h"
#include "engine/os/file.h"
#include "engine/tree/checkpoint_log.h"

namespace khipu::snapshot {

enum class CheckpointLogPart {
  kTail,  // at least the newest publication; the first one read may lack notes, and numbers count from it
  kAll,
};
// Calls `visit` for each publication in order (tree/checkpoint_log.h); nothing when none is there yet. kCorrupt when
// what is there is not notes of this origin, as far as it was read.
Result<void> each_publication(os::Directory& root, std::string_view origin, CheckpointLogPart part,
                              const tree::VisitPublication& visit);

}  // namespace khipu::snapshot
