// One `khipu` command: its name, its help, its arguments, its work. One file each; the table is commands.cc.
//
// Adding a command: write NAME_command.cc with `std::unique_ptr<Command> make_NAME_command()`, declare that in
// commands.h, add it to the table in commands.cc and the file to CMakeLists.txt. A name of two words ("types add") is a
// command inside a group. Arguments are members of the command, written by the parser before run().
// Not here: the command line parser (arguments.cc, the only file that knows CLI11), printing (output.h).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"

namespace khipu::cli {

class Output;

// What the process ends with. An Error from run() is printed and ends with kUsageOrIo.
enum class Exit : int {
  kOk = 0,
  kFinding = 1,     // the work was done, and something is wrong with the log (or records were refused)
  kIncomplete = 2,  // the work could not be done to the end; what was done is good
  kUsageOrIo = 3,
};

// Says which arguments a command takes. The variables are borrowed and must outlive parsing: members of the command.
// `help` is one sentence with unit and default ("waiting time in milliseconds; default 5"). Flags are written with
// their dashes ("--limit", or "-n,--limit"). `value` is the word shown for what follows the flag ("N", "FILE"). No
// value may be empty: an empty member means that nothing was given.
class Arguments {
 public:
  virtual ~Arguments() = default;
  virtual void required(std::string name, std::string& into, std::string help) = 0;  // by position
  virtual void optional(std::string name, std::string& into, std::string help) = 0;  // by position
  virtual void rest(std::string name, std::vector<std::string>& into, std::string help, size_t at_least = 1) = 0;
  virtual void flag(std::string flags, bool& into, std::string help) = 0;
  virtual void text(std::string flags, std::string& into, std::string value, std::string help) = 0;
  // May be given several times.
  virtual void texts(std::string flags, std::vector<std::string>& into, std::string value, std::string help) = 0;
  // Decimal digits only: "1e3", "+5", "-1" and "0x10" are refused. Out of [least, most] is refused with the bounds.
  virtual void number(std::string flags, uint64_t& into, uint64_t least, uint64_t most, std::string help) = 0;
  // One of the words, listed in the help.
  virtual void choice(std::string flags, std::string& into, std::vector<std::string> words, std::string help) = 0;
};

class Command {
 public:
  virtual ~Command() = default;
  virtual std::string name() const = 0;     // "query", "types add"
  virtual std::string summary() const = 0;  // one line of `khipu --help`
  // What the command does, its units, examples, what each exit code means here: below the flags in its --help.
  virtual std::string details() const = 0;
  virtual void declare(Arguments& arguments) = 0;
  // --json is taken by the frame for every command: output.json(). Everything on stdout goes through `output`.
  virtual Result<Exit> run(Output& output) = 0;
  virtual bool prints_documents() const { return true; }  // false: --json is not in its help, and run() refuses it
};

// The whole program: parses, runs one command, maps what happened to the exit code.
int run(int argc, const char* const* argv);

}  // namespace khipu::cli
