// Paths people give: a root, its keys folder, input files, a verifier key. Not here: what is in them.
#pragma once

#include <array>
#include <memory>
#include <string>

#include "engine/base/result.h"
#include "engine/os/file.h"
#include "engine/os/standard_input.h"
#include "engine/tree/note.h"

namespace khipu::cli {

// --keys when given, else ROOT.keys beside the root.
std::string keys_path(const std::string& root, const std::string& given);
inline constexpr const char* kKeysHelp = "folder of the writer's keys; default ROOT.keys beside the root";

// kForbidden on a network file system, whose locks and syncs hold no promise between hosts, unless `allowed` names its
// kind. For commands that write; readers may read anywhere.
Result<void> refuse_network_filesystem(const std::string& path, const std::string& allowed);
inline constexpr const char* kNetworkHelp =
    "accept this kind of network file system under the root (nfs, cifs, ...); default: refuse all";

// A file named on the command line: links are followed, unlike anything inside a root.
Result<std::unique_ptr<os::File>> open_input_file(const std::string& path);
// "-", or the name of a pipe, such as a shell's <(...): what can be read once, from its beginning to its end.
bool is_stream(const std::string& path);
Result<std::unique_ptr<os::StandardInput>> open_stream(const std::string& path);
// A file or a stream, whole.
Result<std::string> read_input_file(const std::string& path, uint64_t size_bytes_max);

// The path from / on, links followed as far as they exist. An Error where that cannot be told: an empty name, one that
// is too long, links in a circle, a working directory that is gone.
Result<std::string> real_path(const std::string& path);
// The path is the folder or below it, links followed as far as they exist.
Result<bool> lies_inside(const std::string& path, const std::string& folder);

// kInvalid when `path` lies inside the log's directory `root`, or inside any log: what nobody signed is a finding
// there. `what` is for the message: "the keys".
Result<void> refuse_inside_log(const std::string& path, const std::string& what, const std::string& root = {});

// A pipe, a character device, or a descriptor of this process by a name such as /dev/stdout, whatever it leads to: what
// is written to it is kept by nobody here.
bool is_way_out(const std::string& path);
// Whole or not at all, and synced; the file is this user's own. Into a way out as it is, behind what was written there
// before. kInvalid inside a log, and where another kind of thing has the name.
Result<void> write_output_file(const std::string& path, std::string_view text);

// --key: 64 hex digits, a vkey line (NAME+ID+BASE64, as `khipu init` prints it), or a file holding either or a verifier
// key file.
Result<std::array<uint8_t, 32>> read_verifier_key(const std::string& text);
// The same with the log's name, which proofs are held to: a vkey line, or a file holding one or a verifier key file.
Result<tree::VerifierKey> read_vkey(const std::string& text);
inline constexpr const char* kVerifierKeyHelp =
    "verifier key to check signatures with: 64 hex digits, a vkey, or a file; default: the key the log names itself";

// kNotFound, with the command that makes one, when `directory`, which was given as `root`, holds no log.
Result<void> need_log(os::Directory& directory, const std::string& root);

}  // namespace khipu::cli
