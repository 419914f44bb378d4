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
  kTail,  // at least the newest publication; the first one read may lack notes, and numbers are not known
  kAll,
};
// Empty when nothing was published yet. kCorrupt when what is there is not notes of this origin.
Result<tree::CheckpointLog> read_checkpoints(os::Directory& root, std::string_view origin, CheckpointLogPart part);

}  // namespace khipu::snapshot
