// OFD locks on HEAD, beside the one on LOCK (lock_file.h). They are of places, whatever bytes stand there.
// Byte 96: whoever owns the root for writing, as on byte 96 of LOCK, which somebody may remove or replace under it.
// Byte 97: the same process from where HEAD names whatever was ever made durable, to the end; what it publishes
// meanwhile stands in HEAD first.
#pragma once

#include "engine/os/file.h"

namespace khipu::os {

inline constexpr uint64_t kHeadLockOffset = 96, kHeadKeptOffset = 97;

// Does a writer hold that byte? Whoever may read HEAD can lock it with others: exclusively, a writer alone can.
Result<bool> writer_holds(const File& head, uint64_t byte);
// Is byte 97 held by one? False also when HEAD is not there, or is no file.
Result<bool> head_kept(Directory& root);

}  // namespace khipu::os
