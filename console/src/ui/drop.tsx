import { useRef, useState } from "preact/hooks";
import { t } from "../i18n";
import { droppedFiles, pictures } from "./folders";

interface Props {
  label: string;
  accept: string;
  multiple?: boolean;
  /** Whether folders can be dropped and chosen too, or they alone. */
  folders?: "also" | "only";
  onFiles: (files: File[]) => void;
}

// Browsers have it, the types of Preact do not.
const FOLDER = { webkitdirectory: true } as object;

/** A place to drop files, which also opens the file dialog; it takes pasted files too. */
export function Drop({ label, accept, multiple = false, folders, onFiles }: Props) {
  const folder = useRef<HTMLInputElement>(null);
  const [over, setOver] = useState(false);
  const many = multiple || folders !== undefined;
  const take = (files: readonly File[]) => {
    if (files.length) onFiles(many ? [...files] : files.slice(0, 1));
  };
  const choose = (event: { currentTarget: HTMLInputElement }, choice = listed) => {
    take(choice(event.currentTarget.files ?? []));
    // So that the same file can be chosen again.
    event.currentTarget.value = "";
  };
  return (
    <>
      <label
        class={over ? "drop over" : "drop"}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={(event) => {
          event.preventDefault();
          setOver(false);
          const { dataTransfer } = event;
          if (!dataTransfer) return;
          if (folders) void droppedFiles(dataTransfer).then(take);
          else take(listed(dataTransfer.files));
        }}
        onPaste={(event) => take(listed(event.clipboardData?.files ?? []))}
      >
        <span>{label}</span>
        <small>
          {t(
            folders === "only"
              ? "drop.folder"
              : folders
                ? "drop.any"
                : many
                  ? "drop.many"
                  : "drop.one",
          )}
        </small>
        {folders === "only" ? (
          <input type="file" {...FOLDER} onChange={(event) => choose(event, pictures)} />
        ) : (
          <input type="file" accept={accept} multiple={multiple} onChange={choose} />
        )}
      </label>
      {folders === "also" && (
        <>
          <button type="button" class="outline" onClick={() => folder.current?.click()}>
            {t("drop.chooseFolder")}
          </button>
          <input
            ref={folder}
            type="file"
            hidden
            {...FOLDER}
            onChange={(event) => choose(event, pictures)}
          />
        </>
      )}
    </>
  );
}

/**
 * Do nothing with files that miss the place to drop them. The browser would open them instead of
 * the console, and forget the access key and all that the page has shown.
 */
export function ignoreStrayFiles(): void {
  const ignore = (event: DragEvent) => {
    if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
  };
  addEventListener("dragover", ignore);
  addEventListener("drop", ignore);
}

const listed = (files: Iterable<File>): File[] => [...files];
