/** Paths of files that were dropped within folders; files of an input have their own. */
const paths = new WeakMap<File, string>();

/** Return a file's path in the folder that was dropped or chosen, or else its name. */
export const pathOf = (file: File): string =>
  paths.get(file) ?? (file.webkitRelativePath || file.name);

/**
 * Return what was dropped: files, and the pictures in folders and in theirs, in the order of their
 * paths. Hidden files and others that folders hold besides pictures are left out.
 */
export async function droppedFiles(transfer: DataTransfer): Promise<File[]> {
  // All entries at once: the browser forgets them when the event has been handled.
  const entries = [...transfer.items].flatMap((item) => item.webkitGetAsEntry() ?? []);
  if (!entries.some((entry) => entry.isDirectory)) return [...transfer.files];
  const files: File[] = [];
  for (const entry of entries) await collect(entry, entry.isFile, files);
  return files.sort((one, other) => pathOf(one).localeCompare(pathOf(other)));
}

/** Return the pictures of a folder that was chosen. */
export const pictures = (files: Iterable<File>): File[] => [...files].filter(isPicture);

const isPicture = (file: File): boolean =>
  file.type.startsWith("image/") && !pathOf(file).split("/").some(isHidden);
const isHidden = (name: string): boolean => name.startsWith(".") || name === "__MACOSX";

async function collect(entry: FileSystemEntry, wanted: boolean, files: File[]): Promise<void> {
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) =>
      (entry as FileSystemFileEntry).file(resolve, reject),
    );
    paths.set(file, entry.fullPath.slice(1));
    if (wanted || isPicture(file)) files.push(file);
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  for (;;) {
    // A reader returns some entries at a time, and none at the end.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (!some.length) return;
    for (const each of some) await collect(each, false, files);
  }
}
