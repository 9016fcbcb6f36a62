import { t, type Message } from "../../i18n";

const REASONS: Partial<Record<string, Message>> = {
  EXCEEDS_MAX_FACES: "reason.exceedsMaxFaces",
  EXTREME_POSE: "reason.extremePose",
  LOW_BRIGHTNESS: "reason.lowBrightness",
  LOW_SHARPNESS: "reason.lowSharpness",
  LOW_CONFIDENCE: "reason.lowConfidence",
  SMALL_BOUNDING_BOX: "reason.smallBoundingBox",
  LOW_FACE_QUALITY: "reason.lowFaceQuality",
};

/** Return a reason for which a face was left out, in words. */
export function reason(code: string): string {
  const key = REASONS[code];
  return key ? t(key) : code;
}
