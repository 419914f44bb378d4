// Memory that is given back is wiped first, from the first call on and for the whole process: what a protected value
// passed through (request bodies, parsers, strings) is not left behind for a core dump or a neighbour's bug to show.
// Costs a memset of what is freed, and one relaxed load where it is not asked for. Not here: keys, which live in locked
// memory (secret.h); memory of C libraries' own malloc; stacks (wipe_stack()).
#pragma once

namespace khipu::crypto {

void wipe_freed_memory();
// What calls before this one left on the calling thread's stack, 64 KiB below here.
void wipe_stack();

}  // namespace khipu::crypto
