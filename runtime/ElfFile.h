//===- ElfFile.h - Reads one symbol's bytes from an ELF file ---*- C++ -*-===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// Checks that a file is a complete x86-64 ELF shared object and reads the data
// behind one of its exported symbols, without mapping or running any of it.
//
//===----------------------------------------------------------------------===//

#ifndef ROPEGRAD_RUNTIME_ELFFILE_H
#define ROPEGRAD_RUNTIME_ELFFILE_H

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <elf.h>
#include <memory>

namespace ropegrad {
namespace runtime {

struct FreeDeleter {
  void operator()(void *pointer) const { std::free(pointer); }
};
/// malloc'ed memory: unlike new, running out of it is a value, not an
/// exception.
template <typename T> using Allocated = std::unique_ptr<T[], FreeDeleter>;

/// A message under construction, cut to a fixed size.
struct Message {
  char text[256] = {0};
  __attribute__((format(printf, 2, 3))) void set(const char *format, ...);
};

/// Reads are bounds-checked against the size that the file had when opened,
/// and a file that shrinks meanwhile yields an error, not a SIGBUS.
class ElfFile {
public:
  ElfFile() = default;
  ElfFile(const ElfFile &) = delete;
  ElfFile &operator=(const ElfFile &) = delete;
  ~ElfFile();

  /// Opens `path`. False with errno set if it is not readable; sets
  /// `regular()` to whether it is a regular file.
  bool open(const char *path);
  bool regular() const { return isRegular; }

  /// False, and what is wrong with the file ("a truncated file") in `why`, if
  /// this is not a complete x86-64 ELF shared object.
  bool check(Message &why);

  /// Reads the NUL-terminated text behind the dynamic data symbol `name`.
  /// Null, and `why`, if there is none; call after check().
  Allocated<char> readText(const char *name, Message &why) const;

private:
  bool read(uint64_t offset, uint64_t bytes, void *to) const;
  bool inside(uint64_t offset, uint64_t bytes) const {
    return offset <= size && bytes <= size - offset;
  }
  template <typename T>
  Allocated<T> readTable(uint64_t offset, uint64_t bytes) const;
  bool checkSegments(Message &why);
  bool checkSections(Message &why);
  const Elf64_Shdr *dynamicSymbols() const;
  Allocated<char> readTextAt(uint64_t address, uint64_t bytes) const;

  int descriptor = -1;
  bool isRegular = false;
  uint64_t size = 0;
  Elf64_Ehdr header = {};
  Allocated<Elf64_Phdr> segments;
  Allocated<Elf64_Shdr> sections;
};

} // namespace runtime
} // namespace ropegrad

#endif // ROPEGRAD_RUNTIME_ELFFILE_H
