import type { FaceDetail } from "@aws-sdk/client-rekognition";
import { number, percent, t, type Message } from "../i18n";

/** The members of FaceDetail that have a Value and a Confidence. */
const VALUES = {
  Smile: "detail.smile",
  Eyeglasses: "detail.eyeglasses",
  Sunglasses: "detail.sunglasses",
  Gender: "detail.gender",
  Beard: "detail.beard",
  Mustache: "detail.mustache",
  EyesOpen: "detail.eyesOpen",
  MouthOpen: "detail.mouthOpen",
  FaceOccluded: "detail.occluded",
} as const satisfies Partial<Record<keyof FaceDetail, Message>>;

/** The API's values in words. */
const WORDS: Partial<Record<string, Message>> = {
  true: "detail.yes",
  false: "detail.no",
  Female: "detail.female",
  Male: "detail.male",
  ANGRY: "emotion.angry",
  CALM: "emotion.calm",
  CONFUSED: "emotion.confused",
  DISGUSTED: "emotion.disgusted",
  FEAR: "emotion.fear",
  HAPPY: "emotion.happy",
  SAD: "emotion.sad",
  SURPRISED: "emotion.surprised",
};

function word(value: unknown): string {
  const key = WORDS[String(value)];
  return key ? t(key) : String(value);
}

/** What DetectFaces says about a face, as a table. Members that the answer lacks are left out. */
export function Details({ face }: { face: FaceDetail }) {
  const rows: [string, string][] = [];
  const say = (key: Message, text: string) => rows.push([t(key), text]);
  const round = (value = 0) => number(value, { maximumFractionDigits: 1 });
  if (face.AgeRange) say("detail.age", `${face.AgeRange.Low} – ${face.AgeRange.High}`);
  const emotion = face.Emotions?.[0];
  if (emotion) say("detail.emotion", `${word(emotion.Type)} (${percent(emotion.Confidence)})`);
  for (const [name, key] of Object.entries(VALUES)) {
    const found = face[name as keyof typeof VALUES];
    if (found) say(key, `${word(found.Value)} (${percent(found.Confidence)})`);
  }
  if (face.Pose) {
    const { Roll, Yaw, Pitch } = face.Pose;
    say("detail.pose", `Roll ${round(Roll)}°, Yaw ${round(Yaw)}°, Pitch ${round(Pitch)}°`);
  }
  if (face.EyeDirection) {
    const { Yaw, Pitch } = face.EyeDirection;
    say("detail.gaze", `Yaw ${round(Yaw)}°, Pitch ${round(Pitch)}°`);
  }
  if (face.Quality) {
    const { Brightness, Sharpness } = face.Quality;
    say("detail.quality", t("detail.qualityText", { b: round(Brightness), s: round(Sharpness) }));
  }
  say("detail.confidence", percent(face.Confidence));
  return (
    <dl class="facts">
      {rows.map(([name, text]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{text}</dd>
        </div>
      ))}
    </dl>
  );
}
