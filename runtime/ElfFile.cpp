//===- ElfFile.cpp - Reads one symbol's bytes from an ELF file ------------===//
//
// Part of RopeGrad, under the Apache License v2.0.
//
//===----------------------------------------------------------------------===//
//
// The dynamic loader trusts a file: a truncated one ends in SIGBUS. Hence this
// look at headers, segments and sections first.
//
//===----------------------------------------------------------------------===//

#include "runtime/ElfFile.h"

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace ropegrad::runtime;

/// Larger tables or manifests than this are taken for garbage.
static constexpr uint64_t kMaxTableBytes = uint64_t(64) << 20;

void Message::set(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof(text), format, arguments);
  va_end(arguments);
}

ElfFile::~ElfFile() {
  if (descriptor >= 0)
    ::close(descriptor);
}

bool ElfFile::open(const char *path) {
  // O_NONBLOCK: opening a FIFO must not wait for a writer.
  descriptor = ::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat status;
  if (descriptor < 0 || ::fstat(descriptor, &status) != 0)
    return false;
  isRegular = S_ISREG(status.st_mode);
  size = isRegular ? static_cast<uint64_t>(status.st_size) : 0;
  return true;
}

bool ElfFile::read(uint64_t offset, uint64_t bytes, void *to) const {
  if (!inside(offset, bytes))
    return false;
  char *next = static_cast<char *>(to);
  while (bytes > 0) {
    ssize_t got = ::pread(descriptor, next, bytes, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0)
      return false;
    next += got;
    offset += static_cast<uint64_t>(got);
    bytes -= static_cast<uint64_t>(got);
  }
  return true;
}

template <typename T>
Allocated<T> ElfFile::readTable(uint64_t offset, uint64_t bytes) const {
  if (bytes == 0 || bytes > kMaxTableBytes || !inside(offset, bytes))
    return nullptr;
  Allocated<T> table(static_cast<T *>(std::malloc(bytes)));
  if (!table || !read(offset, bytes, table.get()))
    return nullptr;
  return table;
}

bool ElfFile::check(Message &why) {
  if (size == 0)
    return why.set("an empty file"), false;
  unsigned char magic[SELFMAG] = {0};
  if (!read(0, SELFMAG, magic) || std::memcmp(magic, ELFMAG, SELFMAG) != 0)
    return why.set("a file that is not ELF"), false;
  if (!read(0, sizeof(header), &header))
    return why.set("a truncated file"), false;
  if (header.e_ident[EI_CLASS] != ELFCLASS64 ||
      header.e_ident[EI_DATA] != ELFDATA2LSB || header.e_machine != EM_X86_64)
    return why.set("an ELF file for another machine than x86-64"), false;
  if (header.e_type == ET_REL)
    return why.set("an object file that is not linked"), false;
  if (header.e_type != ET_DYN)
    return why.set("an ELF file that is not a shared library"), false;
  return checkSegments(why) && checkSections(why);
}

bool ElfFile::checkSegments(Message &why) {
  uint64_t bytes = uint64_t(header.e_phnum) * sizeof(Elf64_Phdr);
  if (header.e_phentsize != sizeof(Elf64_Phdr) || bytes == 0)
    return why.set("an ELF file without program headers"), false;
  segments = readTable<Elf64_Phdr>(header.e_phoff, bytes);
  if (!segments)
    return why.set("a truncated file"), false;
  bool dynamic = false, loaded = false;
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    const Elf64_Phdr &segment = segments[i];
    if (!inside(segment.p_offset, segment.p_filesz))
      return why.set("a truncated file"), false;
    uint64_t align = segment.p_align ? segment.p_align : 1;
    bool load = segment.p_type == PT_LOAD;
    if (load &&
        (segment.p_memsz < segment.p_filesz || (align & (align - 1)) != 0 ||
         (segment.p_vaddr - segment.p_offset) % align != 0))
      return why.set("an ELF file with a damaged segment"), false;
    loaded |= load;
    dynamic |= segment.p_type == PT_DYNAMIC;
  }
  if (!dynamic || !loaded)
    return why.set("an ELF file that is not a shared library"), false;
  return true;
}

bool ElfFile::checkSections(Message &why) {
  // Linkers write the section headers last, so that a file which holds all of
  // them has been neither cut nor only partly copied.
  uint64_t bytes = uint64_t(header.e_shnum) * sizeof(Elf64_Shdr);
  if (header.e_shentsize != sizeof(Elf64_Shdr) || bytes == 0)
    return why.set("an ELF file without section headers"), false;
  sections = readTable<Elf64_Shdr>(header.e_shoff, bytes);
  if (!sections)
    return why.set("a truncated file"), false;
  for (unsigned i = 0; i < header.e_shnum; ++i)
    if (sections[i].sh_type != SHT_NOBITS && sections[i].sh_type != SHT_NULL &&
        !inside(sections[i].sh_offset, sections[i].sh_size))
      return why.set("a truncated file"), false;
  return true;
}

const Elf64_Shdr *ElfFile::dynamicSymbols() const {
  for (unsigned i = 0; i < header.e_shnum; ++i)
    if (sections[i].sh_type == SHT_DYNSYM &&
        sections[i].sh_entsize == sizeof(Elf64_Sym) &&
        sections[i].sh_link < header.e_shnum)
      return &sections[i];
  return nullptr;
}

Allocated<char> ElfFile::readText(const char *name, Message &why) const {
  why.set("a shared library without the symbol %s", name);
  const Elf64_Shdr *table = dynamicSymbols();
  if (!table)
    return nullptr;
  const Elf64_Shdr &names = sections[table->sh_link];
  auto symbols = readTable<Elf64_Sym>(table->sh_offset, table->sh_size);
  auto strings = readTable<char>(names.sh_offset, names.sh_size);
  if (!symbols || !strings)
    return nullptr;

  uint64_t length = std::strlen(name) + 1;
  for (uint64_t i = 0; i < table->sh_size / sizeof(Elf64_Sym); ++i) {
    const Elf64_Sym &symbol = symbols[i];
    if (symbol.st_shndx == SHN_UNDEF || symbol.st_name > names.sh_size ||
        names.sh_size - symbol.st_name < length ||
        std::memcmp(&strings[symbol.st_name], name, length) != 0)
      continue;
    auto text = readTextAt(symbol.st_value, symbol.st_size);
    if (!text)
      why.set("a shared library whose %s is damaged", name);
    return text;
  }
  return nullptr;
}

Allocated<char> ElfFile::readTextAt(uint64_t address, uint64_t bytes) const {
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    const Elf64_Phdr &segment = segments[i];
    if (segment.p_type != PT_LOAD || address < segment.p_vaddr ||
        address - segment.p_vaddr >= segment.p_filesz)
      continue;
    uint64_t within = address - segment.p_vaddr;
    if (bytes > segment.p_filesz - within)
      return nullptr;
    auto text = readTable<char>(segment.p_offset + within, bytes);
    if (!text || !std::memchr(text.get(), 0, bytes))
      return nullptr;
    return text;
  }
  return nullptr;
}
