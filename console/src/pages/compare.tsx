import type { CompareFacesMatch } from "@aws-sdk/client-rekognition";
import { useEffect, useState } from "preact/hooks";
import { call, type Output } from "../api/operations";
import { meaning, similarityText } from "../faces/matching";
import { bytesOf, PHOTO_TYPES } from "../faces/photo";
import { Picture, type Marked } from "../faces/picture";
import { useObjectUrl } from "../faces/object-url";
import { t } from "../i18n";
import { Drop } from "../ui/drop";
import { useLatest } from "../ui/latest";
import { Problem } from "../ui/problem";
import { Threshold } from "../ui/threshold";

type Comparison = Output<"CompareFaces">;

/** Two photos side by side: is the largest face of the first in the second? */
export default function Compare() {
  const [source, setSource] = useState<Uint8Array>();
  const [target, setTarget] = useState<Uint8Array>();
  const [threshold, setThreshold] = useState(90);
  const [answer, setAnswer] = useState<Comparison>();
  const [error, fail] = useState<unknown>();
  useEffect(() => {
    if (!source || !target) return;
    const left = new AbortController();
    setAnswer(undefined);
    fail(undefined);
    // With threshold 0, the slider needs no further request.
    call(
      "CompareFaces",
      { SourceImage: { Bytes: source }, TargetImage: { Bytes: target }, SimilarityThreshold: 0 },
      { signal: left.signal },
    ).then(setAnswer, (problem) => {
      if (!left.signal.aborted) fail(problem);
    });
    return () => left.abort();
  }, [source, target]);
  const [latestSource, latestTarget] = [useLatest(), useLatest()];
  const open =
    (latest: typeof latestSource, set: (photo: Uint8Array) => void) =>
    ([file]: File[]) =>
      latest(bytesOf(file!, { images: 2 }), set, () => fail(new Error(t("error.imageFormat"))));
  const matches = answer?.FaceMatches ?? [];
  const [best] = matches;
  return (
    <>
      <h1>{t("compare.title")}</h1>
      <Threshold value={threshold} onChange={setThreshold} />
      <Problem error={error} />
      <div aria-live="polite">
        {source && target && !answer && !error && <p aria-busy="true">{t("compare.busy")}</p>}
        {answer && <Verdict best={best} threshold={threshold} />}
      </div>
      <div class="columns">
        <Side
          label={t("compare.source")}
          photo={source}
          onFiles={open(latestSource, setSource)}
          marks={
            answer?.SourceImageFace?.BoundingBox
              ? [{ box: answer.SourceImageFace.BoundingBox, label: "?" }]
              : []
          }
        />
        <Side
          label={t("compare.target")}
          photo={target}
          onFiles={open(latestTarget, setTarget)}
          marks={matches.map((match) => marked(match, threshold))}
        />
      </div>
    </>
  );
}

function marked({ Face, Similarity = 0 }: CompareFacesMatch, threshold: number): Marked {
  return {
    box: Face?.BoundingBox ?? {},
    label: similarityText(Similarity),
    kind: Similarity >= threshold ? "known" : "unknown",
  };
}

function Verdict({ best, threshold }: { best: CompareFacesMatch | undefined; threshold: number }) {
  const similarity = best?.Similarity ?? 0;
  return (
    <p>
      <strong>{t(similarity >= threshold ? "compare.same" : "compare.different")}</strong>{" "}
      {t("compare.similarity", { n: similarityText(similarity) })} {meaning(similarity)}
    </p>
  );
}

interface SideProps {
  label: string;
  photo: Uint8Array | undefined;
  marks: readonly Marked[];
  onFiles: (files: File[]) => void;
}

function Side({ label, photo, marks, onFiles }: SideProps) {
  const source = useObjectUrl(photo);
  return (
    <section aria-label={label}>
      <Drop label={label} accept={PHOTO_TYPES} onFiles={onFiles} />
      {source && <Picture source={source} alternative={label} marks={marks} />}
    </section>
  );
}
