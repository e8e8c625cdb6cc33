//! AWS's Price List, signed, and the spot history of each region.

use super::{Asked, Pages, endpoint, failed, follow, unreadable, whole};
use crate::cost::refresh::{
    Fresh,
    aws::{MACHINE_FILTERS, SpotRow, read_page, read_spot},
};
use crate::engine::{ErrorClass, Residue, StepError};
use crate::model::Region;
use crate::providers::aws::{
    client::{self, AwsCx, AwsOptions},
    error,
};
use crate::providers::patience::patient;
use crate::providers::rest::{Call, Verb};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use serde_json::{Value, json};
use std::sync::Mutex;

const USUAL: &str = "https://api.pricing.us-east-1.amazonaws.com";
/// Where the API is, whatever the region of the prices.
const SIGNED_FOR: &str = "us-east-1";
const TARGET: &str = "AWSPriceListService.GetProducts";
const JSON: &str = "application/x-amz-json-1.1";
/// What is asked for besides machines: service and usage type's product family; none is all of the service.
const COMPONENTS: [(&str, Option<&str>); 4] =
    [("AmazonEKS", None), ("AmazonVPC", None), ("AmazonEC2", Some("NAT Gateway")), ("AmazonEC2", Some("Storage"))];

pub(super) async fn read(asked: Asked<'_>, pages: &Pages<'_>) -> Result<Fresh, StepError> {
    let options = pages.options;
    let first = asked.regions.first().map(|region| Region(region.clone()));
    let own = AwsOptions {
        region: first,
        profile: options.profile.clone(),
        role_arn: options.role_arn.clone(),
        dotenv: options.dotenv.clone(),
        secrets: options.secrets.clone(),
    };
    let (config, _) =
        client::load(&own).await.ok_or_else(|| failed(ErrorClass::Permanent, "no region is named".to_owned()))?;
    let config = client::with_kept_credentials(&config);
    let overall = options.vars.get("AWS_ENDPOINT_URL_PRICING").or_else(|| options.vars.get("AWS_ENDPOINT_URL"));
    let usual = overall.filter(|url| !url.is_empty()).map_or(USUAL, String::as_str);
    let base = endpoint(options, "KUBEWRIGHT_PRICE_AWS_ENDPOINT", usual);
    let fresh = Mutex::new(Fresh::default());
    for region in asked.regions {
        let cx = AwsCx::new(&client::in_region(&config, &Region(region.clone())), Region(region.clone()));
        let list = PriceList { cx: &cx, pages, base: &base };
        let machines = MACHINE_FILTERS.iter().map(|(field, value)| (*field, *value)).collect::<Vec<_>>();
        list.products("AmazonEC2", region, &machines, &fresh).await?;
        for (service, family) in COMPONENTS {
            let family: Vec<(&str, &str)> = family.iter().map(|family| ("productFamily", *family)).collect();
            list.products(service, region, &family, &fresh).await?;
        }
        spot(&cx, pages, region, &fresh).await?;
    }
    Ok(fresh.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
}

struct PriceList<'a> {
    cx: &'a AwsCx,
    pages: &'a Pages<'a>,
    base: &'a str,
}

impl PriceList<'_> {
    async fn products(
        &self,
        service: &str,
        region: &str,
        filters: &[(&str, &str)],
        fresh: &Mutex<Fresh>,
    ) -> Result<(), StepError> {
        let what = format!("{service} in {region}");
        let filters: Vec<Value> = [("regionCode", region)]
            .iter()
            .chain(filters)
            .map(|(field, value)| json!({"Type": "TERM_MATCH", "Field": field, "Value": value}))
            .collect();
        follow(self.pages, &what, |mark| {
            let (filters, what) = (&filters, &what);
            async move {
                let mut body =
                    json!({"ServiceCode": service, "FormatVersion": "aws_v1", "MaxResults": 100, "Filters": filters});
                if let Some(mark) = mark {
                    body["NextToken"] = json!(mark);
                }
                let page = patient(&*self.pages.options.clock, || self.call(what, &body)).await?;
                let mut fresh = fresh.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                read_page(&page, &mut fresh).map_err(unreadable(what))
            }
        })
        .await
    }

    async fn call(&self, what: &str, body: &Value) -> Result<Value, StepError> {
        let credentials = self.cx.credentials().await?;
        let bytes = serde_json::to_vec(body).expect("text has text keys");
        let url = format!("{}/", self.base);
        let identity = credentials.into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(SIGNED_FOR)
            .name("pricing")
            .time(self.cx.wall_time())
            .settings(SigningSettings::default())
            .build()
            .map_err(|why| unsigned(&why.to_string()))?
            .into();
        let own = [("content-type", JSON), ("x-amz-target", TARGET)];
        let request = SignableRequest::new("POST", &url, own.into_iter(), SignableBody::Bytes(&bytes))
            .map_err(|why| unsigned(&why.to_string()))?;
        let (signed, _) = sign(request, &params).map_err(|why| unsigned(&why.to_string()))?.into_parts();
        let mut headers = vec![("content-type", JSON.to_owned()), ("x-amz-target", TARGET.to_owned())];
        headers.extend(signed.headers().filter_map(|(name, value)| Some((header_name(name)?, value.to_owned()))));
        let op = "pricing:GetProducts";
        let call = Call { op, what, verb: Verb::Post, url, headers, body: Some(body.clone()), mutating: false };
        let answer = self.pages.rest.send_open(call).await.map_err(|error| error.with_residue(Residue::None))?;
        if let Some(code) = answer.body.get("__type").and_then(Value::as_str).filter(|_| !answer.is_ok()) {
            let code = code.rsplit('#').next().unwrap_or(code);
            let text =
                ["message", "Message"].iter().find_map(|key| answer.body.get(*key)?.as_str()).unwrap_or_default();
            return Err(error::refused(op, what, code, text).with_residue(Residue::None));
        }
        whole(op, what, answer)
    }
}

/// The headers that a signature adds.
fn header_name(name: &str) -> Option<&'static str> {
    ["authorization", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256"].into_iter().find(|own| *own == name)
}

fn unsigned(why: &str) -> StepError {
    failed(ErrorClass::Permanent, format!("cannot sign a question for prices: {}", error::clean(why)))
}

/// The market as of now: `StartTime` is now, so that each zone says one price.
async fn spot(cx: &AwsCx, pages: &Pages<'_>, region: &str, fresh: &Mutex<Fresh>) -> Result<(), StepError> {
    let now = aws_smithy_types::DateTime::from(cx.wall_time());
    let what = format!("spot in {region}");
    follow(pages, &what, |mark| {
        let what = &what;
        async move {
            let ask = || async {
                let call = cx.ec2.describe_spot_price_history().start_time(now).set_next_token(mark.clone());
                let sent = call.product_descriptions("Linux/UNIX").send().await;
                sent.map_err(|err| error::fail("ec2:DescribeSpotPriceHistory", what, err))
            };
            let page = patient(&*pages.options.clock, ask).await?;
            let rows = page.spot_price_history().iter().map(|row| SpotRow {
                name: row.instance_type().map_or("", |it| it.as_str()),
                product: row.product_description().map_or("", |it| it.as_str()),
                zone: row.availability_zone().unwrap_or_default(),
                price: row.spot_price().unwrap_or_default(),
            });
            let mut fresh = fresh.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            read_spot(region, rows, &mut fresh).map_err(unreadable(what))?;
            Ok(page.next_token().filter(|mark| !mark.is_empty()).map(str::to_owned))
        }
    })
    .await
}
