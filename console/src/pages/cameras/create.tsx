import { useState } from "preact/hooks";
import { call } from "../../api/operations";
import { dataStream, videoStream, videoStreams } from "../../api/streams";
import { config } from "../../config";
import { t } from "../../i18n";
import { Dialog } from "../../ui/dialog";
import { useFetched } from "../../ui/fetched";
import { lastCollection, PickCollection } from "../../ui/pick-collection";
import { Problem } from "../../ui/problem";
import { Threshold } from "../../ui/threshold";
import { fieldsOf, useWork } from "../../ui/work";

/** The account of `facedex up`, which assumes no role. */
const ROLE = "arn:aws:iam::123456789012:role/console";

/** The lowest threshold of a stream processor, for which lower ones count as well. */
const LEAST = 80;

/** Create a camera with its two streams, and start it. */
export function Create({ onClose }: { onClose: (created: boolean) => void }) {
  const [collection, pick] = useState(lastCollection());
  const [threshold, setThreshold] = useState(90);
  const { busy, error, run } = useWork();
  const { value: streams = [] } = useFetched(videoStreams);
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const { name = "", stream } = fieldsOf(event.currentTarget as HTMLFormElement);
    void run(async () => {
      const video = await videoStream(stream || name);
      await dataStream(name);
      const [, , , region = config().region, account = ""] = video.split(":");
      await call("CreateStreamProcessor", {
        Name: name,
        Input: { KinesisVideoStream: { Arn: video } },
        Output: {
          KinesisDataStream: { Arn: `arn:aws:kinesis:${region}:${account}:stream/${name}` },
        },
        RoleArn: ROLE,
        Settings: { FaceSearch: { CollectionId: collection, FaceMatchThreshold: threshold } },
      });
      await call("StartStreamProcessor", { Name: name });
      onClose(true);
    });
  };
  return (
    <Dialog title={t("cameras.create")} onClose={() => onClose(false)}>
      <form onSubmit={submit}>
        <label>
          {t("cameras.name")}
          <input
            name="name"
            required
            maxLength={128}
            pattern="[a-zA-Z0-9_.\-]+"
            title={t("collection.nameRule")}
            autofocus
          />
        </label>
        <PickCollection value={collection} onChange={pick} />
        <Threshold value={threshold} onChange={setThreshold} least={LEAST} />
        <label>
          {t("cameras.stream")}
          <input name="stream" list="streams" placeholder={t("cameras.newStream")} />
          <datalist id="streams">
            {streams.map((each) => (
              <option key={each} value={each} />
            ))}
          </datalist>
        </label>
        <Problem error={error} />
        <button type="submit" aria-busy={busy} disabled={!collection}>
          {t("cameras.create")}
        </button>
      </form>
    </Dialog>
  );
}
