import type { BoundingBox, FaceDetail } from "@aws-sdk/client-rekognition";
import { useEffect, useRef, useState } from "preact/hooks";
import { call } from "../api/operations";
import { Camera } from "../faces/camera";
import { Details } from "../faces/details";
import {
  meaning,
  nameOf,
  passes,
  searchAll,
  similarityText,
  type Searched,
  type SearchedFaces,
} from "../faces/matching";
import { bytesOf, jpegOf, PHOTO_TYPES } from "../faces/photo";
import { useObjectUrl } from "../faces/object-url";
import { Picture, type Marked } from "../faces/picture";
import { thumbnail } from "../faces/thumbnails";
import { t } from "../i18n";
import { Drop } from "../ui/drop";
import { useLatest } from "../ui/latest";
import { lastCollection, PickCollection } from "../ui/pick-collection";
import { Problem } from "../ui/problem";
import { Threshold } from "../ui/threshold";
import { reason } from "./collection/reasons";

const MATCHES = 10; // shown for each face

/** Who is this? Every face of a photo, with the people it resembles. */
export default function Who() {
  const [collection, pick] = useState(lastCollection());
  const [photo, setPhoto] = useState<Uint8Array>();
  const [found, setFound] = useState<SearchedFaces>();
  const [selected, select] = useState(0);
  const [threshold, setThreshold] = useState(90);
  const [error, fail] = useState<unknown>();
  const [snapping, setSnapping] = useState(false);
  const [details, setDetails] = useState<readonly FaceDetail[]>();
  const source = useObjectUrl(photo);
  useEffect(() => {
    if (!photo || !collection) return;
    const left = new AbortController();
    setFound(undefined);
    setDetails(undefined);
    fail(undefined);
    select(0);
    // With threshold 0, the slider needs no further request.
    searchAll(collection, photo, { threshold: 0, most: MATCHES, signal: left.signal }).then(
      setFound,
      (problem) => {
        if (!left.signal.aborted) fail(problem);
      },
    );
    return () => left.abort();
  }, [photo, collection]);
  const latest = useLatest();
  const open = (taken: Promise<Uint8Array>) =>
    latest(taken, setPhoto, () => fail(new Error(t("error.imageFormat"))));
  const face = found?.SearchedFaces[selected];
  return (
    <>
      <h1>{t("who.title")}</h1>
      <div class="row">
        <PickCollection value={collection} onChange={pick} />
        <Threshold value={threshold} onChange={setThreshold} />
      </div>
      <div class="row">
        <Drop
          label={t("who.drop")}
          accept={PHOTO_TYPES}
          onFiles={([file]) => open(bytesOf(file!))}
        />
        <button class="secondary" onClick={() => setSnapping(!snapping)} aria-expanded={snapping}>
          {t("who.camera")}
        </button>
      </div>
      {snapping && (
        <Snap
          onPhoto={(bytes) => {
            setSnapping(false);
            open(Promise.resolve(bytes));
          }}
        />
      )}
      <Problem error={error} />
      {source && (
        <div class="columns">
          <Picture
            source={source}
            alternative={t("who.photo")}
            marks={found ? marksOf(found, threshold, details) : []}
            selected={selected}
            onSelect={(n) => n < (found?.SearchedFaces.length ?? 0) && select(n)}
          />
          <div aria-live="polite">
            {collection && !found && !error && <p aria-busy="true">{t("who.searching")}</p>}
            {found && !found.SearchedFaces.length && <p>{t("who.noFace")}</p>}
            {face && photo && <Matches face={face} threshold={threshold} />}
            {face && photo && (
              <Attributes
                key={source}
                photo={photo}
                face={detailOf(face.SearchedFaceBoundingBox, details)}
                onDetails={setDetails}
              />
            )}
            {found?.UnsearchedFaces.map(({ Reasons }, n) => (
              <p key={n}>
                {t("who.unsearched", {
                  why: reasons(Reasons),
                })}
              </p>
            ))}
          </div>
        </div>
      )}
    </>
  );
}

const reasons = (codes: readonly string[]): string => codes.map(reason).join(", ");

function marksOf(
  found: SearchedFaces,
  threshold: number,
  details: readonly FaceDetail[] | undefined,
): Marked[] {
  const searched = found.SearchedFaces.map((face, n): Marked => {
    const {
      SearchedFaceBoundingBox,
      FaceMatches: [best],
    } = face;
    const known = passes(best, threshold);
    return {
      box: SearchedFaceBoundingBox,
      label: known ? nameOf(best) : String(n + 1),
      kind: known ? "known" : "unknown",
      landmarks: detailOf(SearchedFaceBoundingBox, details)?.Landmarks,
    };
  });
  const others = found.UnsearchedFaces.map(
    ({ FaceDetails: { BoundingBox = {} }, Reasons }): Marked => ({
      box: BoundingBox,
      label: reasons(Reasons),
      kind: "plain",
    }),
  );
  return [...searched, ...others];
}

/** Return what DetectFaces says about the face at a box. */
function detailOf(
  box: BoundingBox,
  details: readonly FaceDetail[] | undefined,
): FaceDetail | undefined {
  const near = (a = 0, b = 0) => Math.abs(a - b) < 0.02;
  return details?.find(
    ({ BoundingBox: found }) => near(found?.Left, box.Left) && near(found?.Top, box.Top),
  );
}

function Matches({ face, threshold }: { face: Searched; threshold: number }) {
  const passing = face.FaceMatches.filter((each) => passes(each, threshold)).length;
  return (
    <section>
      <h2>{t("who.matches")}</h2>
      <p>{passing ? t("who.passing", { n: passing }) : t("who.nobody")}</p>
      <ol class="results">
        {face.FaceMatches.map((match) => {
          const similarity = match.Similarity ?? 0;
          const picture = thumbnail(match.Face?.FaceId ?? "");
          return (
            <li key={match.Face?.FaceId} class={passes(match, threshold) ? "good" : "faint"}>
              {picture && <img src={picture} alt="" width={48} height={48} />}
              <div>
                <strong>
                  <bdi>{nameOf(match)}</bdi> · {similarityText(similarity)}
                </strong>
                <small>{meaning(similarity)}</small>
              </div>
            </li>
          );
        })}
      </ol>
    </section>
  );
}

interface AttributesProps {
  photo: Uint8Array;
  face: FaceDetail | undefined;
  onDetails: (faces: readonly FaceDetail[]) => void;
}

/** Attributes and landmarks, on demand: they cost a second look at the photo. */
function Attributes({ photo, face, onDetails }: AttributesProps) {
  const [error, fail] = useState<unknown>();
  const left = useRef<AbortController>();
  // Else a late answer about this photo would be taken for one about the next: a webcam's photos
  // have faces of different people at the same place.
  useEffect(() => () => left.current?.abort(), []);
  const ask = () => {
    left.current?.abort();
    const { signal } = (left.current = new AbortController());
    const input = { Image: { Bytes: photo }, Attributes: ["ALL" as const] };
    return call("DetectFaces", input, { signal }).then(
      (answer) => onDetails(answer.FaceDetails ?? []),
      (problem) => {
        if (!signal.aborted) fail(problem);
      },
    );
  };
  return (
    <details onToggle={(event) => event.currentTarget.open && !face && void ask()}>
      <summary>{t("who.attributes")}</summary>
      <Problem error={error} />
      {face ? <Details face={face} /> : !error && <p aria-busy="true" />}
    </details>
  );
}

function Snap({ onPhoto }: { onPhoto: (photo: Uint8Array) => void }) {
  const video = useRef<HTMLVideoElement>();
  const [ready, setReady] = useState(false);
  return (
    <div class="snap">
      <Camera
        onReady={(element) => {
          video.current = element;
          setReady(true);
        }}
        onEnd={() => setReady(false)}
      />
      <button
        disabled={!ready}
        onClick={async () => {
          const element = video.current!;
          onPhoto(await jpegOf(element, element.videoWidth, element.videoHeight));
        }}
      >
        {t("who.snap")}
      </button>
    </div>
  );
}
