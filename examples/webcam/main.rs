//! A simulated mountain webcam: the year 2020, a frame a day, drawn as it is asked for.
//!
//! ```sh
//! cargo run --release -p webcam -- --port 8099
//! weathervane collect 'http://127.0.0.1:8099/jungfraujoch/pano/%Y/%m%d/Jungfraujoch_m%Y%m%d%H%M.jpg' \
//!   --from 2020-01-01 --to 2020-12-31 --out frames
//! ```
//!
//! Addresses are those of the webcam at the Jungfraujoch, the pictures are not: nothing of them is real. Some days
//! are missing, as they are there. `/truth.csv` has the class of each frame.

mod scene;

use std::net::TcpListener;
use std::path::PathBuf;

use actix_web::http::header::ContentType;
use actix_web::{App, HttpResponse, HttpServer, web};
use clap::Parser;
use jiff::civil::{Date, date};
use scene::Scene;

/// The simulated year.
const YEAR: i16 = 2020;

/// One day in so many has no frame.
const MISSING: u64 = 41;

/// A simulated mountain webcam
#[derive(Parser)]
struct Arguments {
    /// Port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 8099)]
    port: u16,

    /// File that gets the port once the webcam answers
    #[arg(long, value_name = "FILE")]
    port_file: Option<PathBuf>,

    /// Write the class of each frame to this CSV file and end
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let arguments = Arguments::parse();
    if let Some(file) = &arguments.truth {
        return std::fs::write(file, table());
    }
    let listener = TcpListener::bind(("127.0.0.1", arguments.port))?;
    let port = listener.local_addr()?.port();
    if let Some(file) = &arguments.port_file {
        // Whoever waits for the file shall not read half of it.
        let unfinished = file.with_extension("part");
        std::fs::write(&unfinished, port.to_string())?;
        std::fs::rename(unfinished, file)?;
    }
    eprintln!("simulated webcam on http://127.0.0.1:{port}");
    let app = || {
        App::new()
            .route("/", web::get().to(about))
            .route("/truth.csv", web::get().to(truth))
            .route("/jungfraujoch/pano/Jungfraujoch_pano.jpg", web::get().to(newest))
            .route("/jungfraujoch/pano/{year}/{day}/{name}", web::get().to(archive))
    };
    HttpServer::new(app).workers(2).listen(listener)?.run().await
}

async fn about() -> &'static str {
    "A SIMULATED mountain webcam: every picture is drawn by a program.\n"
}

async fn truth() -> HttpResponse {
    HttpResponse::Ok().content_type("text/csv").body(table())
}

/// `filename,label` as `weathervane collect` names the files.
fn table() -> String {
    let rows: String = days()
        .filter(|day| !is_missing(*day))
        .map(|day| format!("{day}T13-00-00.jpg,{}\n", Scene::of(day).class().name()))
        .collect();
    format!("filename,label\n{rows}")
}

/// The last day of the year.
async fn newest() -> HttpResponse {
    picture(date(YEAR, 12, 31)).await
}

async fn archive(path: web::Path<(String, String, String)>) -> HttpResponse {
    let (year, day, name) = path.into_inner();
    let wanted = |found: &Date| {
        let (of_day, whole) = (found.strftime("%m%d").to_string(), found.strftime("%Y%m%d").to_string());
        day == of_day && name == format!("Jungfraujoch_m{whole}1300.jpg")
    };
    match days().filter(|_| year == YEAR.to_string()).find(wanted) {
        Some(day) if !is_missing(day) => picture(day).await,
        _ => HttpResponse::NotFound().body("no frame of that time\n"),
    }
}

async fn picture(day: Date) -> HttpResponse {
    match web::block(move || Scene::of(day).jpeg()).await {
        Ok(Ok(bytes)) => HttpResponse::Ok().content_type(ContentType::jpeg()).body(bytes),
        Ok(Err(error)) => HttpResponse::InternalServerError().body(error.to_string()),
        Err(error) => HttpResponse::InternalServerError().body(error.to_string()),
    }
}

fn days() -> impl Iterator<Item = Date> {
    date(YEAR, 1, 1).series(jiff::Span::new().days(1)).take_while(|day| day.year() == YEAR)
}

fn is_missing(day: Date) -> bool {
    day.day_of_year() as u64 % MISSING == MISSING / 2
}
