import { useEffect, useRef } from "preact/hooks";
import { Link, Route, Router, Switch, useLocation } from "wouter-preact";
import { useHashLocation } from "wouter-preact/use-hash-location";
import { forget } from "./api/calls";
import { signedIn } from "./api/session";
import { config } from "./config";
import { t, type Message } from "./i18n";
import { SignIn } from "./pages/sign-in";
import { Overview } from "./pages/overview";
import { Calls } from "./ui/calls";
import { later } from "./ui/later";
import { PickLanguage } from "./ui/pick-language";
import { useTitle } from "./ui/title";

const Camera = later(() => import("./pages/cameras/camera"));
const Cameras = later(() => import("./pages/cameras"));
const Collection = later(() => import("./pages/collection"));
const Compare = later(() => import("./pages/compare"));
const Door = later(() => import("./pages/door"));
const Films = later(() => import("./pages/films"));
const People = later(() => import("./pages/people"));
const Settings = later(() => import("./pages/settings"));
const Threshold = later(() => import("./pages/threshold"));
const Who = later(() => import("./pages/who"));

/** The pages in the navigation. */
const PAGES: readonly (readonly [path: string, title: Message])[] = [
  ["/", "nav.overview"],
  ["/who", "nav.who"],
  ["/compare", "nav.compare"],
  ["/door", "nav.door"],
  ["/people", "nav.people"],
  ["/films", "nav.films"],
  ["/cameras", "nav.cameras"],
  ["/threshold", "nav.threshold"],
  ["/settings", "nav.settings"],
];

/** The whole console: the navigation, the page that the address names, and its calls. */
export function App() {
  return (
    <Router hook={useHashLocation}>
      <Header />
      <main id="main" tabIndex={-1}>
        {signedIn.value ? <Pages /> : <SignIn />}
      </main>
      <Footer />
    </Router>
  );
}

function Pages() {
  const [path] = useLocation();
  const before = useRef(path);
  if (before.current !== path) {
    // Before the new page calls anything.
    before.current = path;
    forget();
  }
  useTitle(nameOf(path));
  const first = useRef(true);
  useEffect(() => {
    const main = document.getElementById("main");
    // The link that was followed may be gone: the keyboard goes on at the page's content.
    if (!first.current) main?.focus({ preventScroll: true });
    first.current = false;
    main?.scrollIntoView();
  }, [path]);
  return (
    <>
      <Switch>
        <Route path="/" component={Overview} />
        <Route path="/collections/:id">{({ id }) => <Collection key={id} id={decode(id)} />}</Route>
        <Route path="/people">
          <People />
        </Route>
        <Route path="/settings">
          <Settings />
        </Route>
        <Route path="/threshold">
          <Threshold />
        </Route>
        <Route path="/who">
          <Who />
        </Route>
        <Route path="/compare">
          <Compare />
        </Route>
        <Route path="/door">
          <Door />
        </Route>
        <Route path="/cameras">
          <Cameras />
        </Route>
        <Route path="/cameras/:name">
          {({ name }) => <Camera key={name} name={decode(name)} />}
        </Route>
        <Route path="/films">
          <Films />
        </Route>
        <Route>
          <h1>{t("notFound.title")}</h1>
          <p>
            <Link href="/">{t("notFound.back")}</Link>
          </p>
        </Route>
      </Switch>
    </>
  );
}

/** Return what the page at a path is called in the browser's tabs and history. */
function nameOf(path: string): string {
  const [, title] = PAGES.find(([page]) => page === path) ?? [];
  const [, name] = /^\/(?:collections|cameras)\/([^/]+)$/.exec(path) ?? [];
  return name ? decode(name) : t(title ?? "notFound.title");
}

/** Return a name in an address. A link that was cut off may end within a character. */
function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Return whether this server has what a page works with. */
function has(page: string): boolean {
  const { machine, streams = false } = config();
  if (page === "/films") return machine;
  return page !== "/cameras" || machine || streams;
}

function Header() {
  const [path] = useLocation();
  return (
    <header>
      <a class="skip" href="#main" onClick={skip}>
        {t("nav.skip")}
      </a>
      <nav aria-label={t("nav.label")}>
        <ul>
          <li>
            <strong>
              <img src="icon.svg" alt="" width={22} height={22} />
              Facedex
            </strong>
          </li>
          {PAGES.filter(([page]) => has(page)).map(([page, title]) => (
            <li key={page}>
              <Link href={page} aria-current={page === path ? "page" : undefined}>
                {t(title)}
              </Link>
            </li>
          ))}
        </ul>
      </nav>
    </header>
  );
}

/** Move to the page's content. The link itself would change the address, which names the page. */
function skip(event: Event): void {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

function Footer() {
  return (
    <footer>
      <Calls />
      <small class="version">
        Facedex {config().version} · <a href="licences.txt">{t("footer.licences")}</a>
      </small>
      <PickLanguage />
    </footer>
  );
}
